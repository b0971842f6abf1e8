#!/usr/bin/env bash
# Prints the path of AWS's Runtime Interface Emulator, which travels inside the wheel of the SAM CLI.
set -euo pipefail
exec "$(dirname "$0")/wheel.sh" aws-sam-cli==1.170.0 samcli/local/rapid/aws-lambda-rie-x86_64 \
    6b1e686e62ab2baf5759c412c4864276ef2a88b094fca53ec070637ccba9b9a5
