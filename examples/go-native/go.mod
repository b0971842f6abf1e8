module lambwire/go-native

go 1.19
