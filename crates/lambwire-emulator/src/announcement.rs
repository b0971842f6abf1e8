//! What is printed before all else: where the emulator is, and what a runtime has to find that somebody starts by hand.

use serde_json::{Value, json};

use crate::console::Printer;
use crate::function::Export;
use crate::running::Addresses;
use crate::telemetry;

/// Prints where callers and runtimes find this function, and the others that it stands before.
pub(crate) fn ready(printer: &Printer, addresses: Addresses, name: &str, others: &[(String, Addresses)]) {
    let listen = addresses.front.map(|address| address.to_string());
    let mut ready = json!({ "listen": listen, "runtime_api": addresses.runtime_api.to_string() });
    if let Some(url) = addresses.url {
        ready["url"] = format!("http://{url}/").into();
    }
    if !others.is_empty() {
        ready["name"] = name.into();
    }
    for (name, other) in others {
        ready["others"][name] = json!({ "runtime_api": other.runtime_api.to_string() });
        if let Some(url) = other.url {
            ready["others"][name]["url"] = format!("http://{url}/").into();
        }
    }
    let line = if printer.is_json() { telemetry::made("ready", &ready) } else { format!("ready {ready}") };
    printer.announce((line + "\n").as_bytes());
}

/// Prints what a runtime of this function has to find: for a shell, to be pasted whole, or as one object.
pub(crate) fn exports(printer: &Printer, name: &str, exports: &[Export]) {
    if printer.is_json() {
        let record: Value = exports.iter().map(|export| (export.name.clone(), json!(export.value))).collect();
        return printer.print((telemetry::made("exports", &record) + "\n").as_bytes());
    }
    let mut lines = if printer.mark().is_some() { format!("# {name}\n") } else { String::new() };
    for Export { name, value } in exports {
        lines += &match value {
            Some(value) => format!("export {name}='{}'\n", value.replace('\'', r"'\''")),
            None => format!("unset {name}\n"),
        };
    }
    printer.announce(lines.as_bytes());
}
