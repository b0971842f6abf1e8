//! Names of functions, in all the forms in which callers may write them.

/// The account of a function that is named without one: that of AWS's emulator.
pub(crate) const ACCOUNT: &str = "012345678912";

/// Longest name, in bytes, in whichever form (AWS, Invoke: `NamespacedFunctionName`).
const NAME_BYTES: usize = 256;

/// Longest name of a function alone, in bytes (AWS, CreateFunction: `FunctionName`).
pub(crate) const FUNCTION_NAME_BYTES: usize = 64;

/// Whether a function may have this name, with which callers can call it.
pub(crate) fn is_function_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=FUNCTION_NAME_BYTES).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// Longest name of a region, in bytes: it is a label of the hosts of AWS's services (RFC 1035, section 2.3.4).
pub(crate) const REGION_BYTES: usize = 63;

/// Whether a region may have this name, which stands in ARNs and in headers.
pub(crate) fn is_region(text: &str) -> bool {
    (1..=REGION_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The ARN of the function `name` in `region`.
pub(crate) fn of(region: &str, name: &str) -> String {
    format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}")
}

/// The name of the function of this ARN.
pub(crate) fn name(arn: &str) -> &str {
    arn.split(':').nth(6).unwrap_or_default()
}

/// This ARN of a function, with the version behind it unless it has a qualifier.
pub(crate) fn qualified(arn: &str, version: &str) -> String {
    if arn.split(':').count() > 7 { arn.to_owned() } else { format!("{arn}:{version}") }
}

/// The version that a function has which is not published.
pub(crate) const LATEST: &str = "$LATEST";

/// The ARN by which a function is invoked that the caller calls `text`: a name, an ARN or the end of one, each with or
/// without a qualifier behind it. `None` if it is none of these, or `qualifier` says another.
pub(crate) fn invoked(text: &str, qualifier: Option<&str>, region: &str) -> Option<String> {
    if text.len() > NAME_BYTES {
        return None;
    }
    let (partition, rest) = match text.strip_prefix("arn:") {
        Some(rest) => rest.split_once(":lambda:")?,
        None => ("aws", text),
    };
    let parts: Vec<&str> = rest.split(':').collect();
    let is_account = |text: &str| text.len() == ACCOUNT.len() && text.bytes().all(|byte| byte.is_ascii_digit());
    // Each may be left out, but for the name: a function may be called `function`.
    let (region, parts) = match *parts {
        [region, account, ref rest @ ..] if is_account(account) && !rest.is_empty() => (region, parts.get(1..)?),
        _ => (region, &*parts),
    };
    let (account, parts) = match *parts {
        [account, ref rest @ ..] if is_account(account) && !rest.is_empty() => (account, rest),
        _ => (ACCOUNT, parts),
    };
    let rest = match *parts {
        ["function", ref rest @ ..] if !rest.is_empty() => rest,
        _ => parts,
    };
    let (name, own_qualifier) = match *rest {
        [name] => (name, None),
        [name, qualifier] => (name, Some(qualifier)),
        _ => return None,
    };
    let is_word = |text: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.$".contains(&byte);
        !text.is_empty() && text.bytes().all(is_allowed)
    };
    let qualifier = match (own_qualifier, qualifier) {
        (Some(own), Some(other)) if own != other => return None,
        (own, other) => own.or(other),
    };
    if ![partition, region, account, name].into_iter().chain(qualifier).all(is_word) {
        return None;
    }
    let arn = format!("arn:{partition}:lambda:{region}:{account}:function:{name}");
    Some(match qualifier {
        Some(qualifier) => format!("{arn}:{qualifier}"),
        None => arn,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, qualifier: Option<&str>, expected: Option<&str>) {
        assert_eq!(invoked(text, qualifier, "eu-west-1").as_deref(), expected);
    }

    #[test]
    fn a_function_is_named_in_every_form_that_aws_takes() {
        let ours = "arn:aws:lambda:eu-west-1:012345678912:function:f";
        let theirs = "arn:aws-cn:lambda:cn-north-1:123456789012:function:f";
        check("f", None, Some(ours));
        check("function:f", None, Some(ours));
        check("function", None, Some(&of("eu-west-1", "function")));
        check("function:1", None, Some("arn:aws:lambda:eu-west-1:012345678912:function:1"));
        check("012345678912:function:f", None, Some(ours));
        check("012345678912:f", None, Some(ours));
        check("012345678912:f:v1", None, Some(&format!("{ours}:v1")));
        let function = of("eu-west-1", "function");
        for text in ["function:function", "012345678912:function:function", "eu-west-1:012345678912:function:function"]
        {
            check(text, None, Some(&function));
            check(&format!("{text}:v1"), None, Some(&format!("{function}:v1")));
        }
        check(theirs, None, Some(theirs));
        check("cn-north-1:123456789012:function:f", None, Some(&theirs.replace("aws-cn", "aws")));
        check("f:v1", None, Some(&format!("{ours}:v1")));
        check("f", Some("$LATEST"), Some(&format!("{ours}:$LATEST")));
        check("f:v1", Some("v1"), Some(&format!("{ours}:v1")));
        check(&format!("{theirs}:v1"), None, Some(&format!("{theirs}:v1")));
    }

    #[test]
    fn an_arn_has_a_version_behind_it_once() {
        let arn = of("eu-west-1", "f");
        assert_eq!(qualified(&arn, LATEST), format!("{arn}:$LATEST"));
        assert_eq!(qualified(&format!("{arn}:v1"), LATEST), format!("{arn}:v1"));
    }

    #[test]
    fn what_names_no_function_is_refused() {
        for text in ["", ":", "f:", "a:b:c", "a b", "a/b", "é", "arn:aws:s3:::f", "f\r\nx: y"] {
            check(text, None, None);
        }
        check("f:v1", Some("v2"), None);
        check("f", Some(""), None);
    }

    #[test]
    fn a_function_has_a_name_that_callers_can_say() {
        for len in [FUNCTION_NAME_BYTES - 1, FUNCTION_NAME_BYTES, FUNCTION_NAME_BYTES + 1] {
            assert_eq!(is_function_name(&"x".repeat(len)), len <= FUNCTION_NAME_BYTES);
        }
        for name in ["f", "a-B_1", "function"] {
            assert!(is_function_name(name) && invoked(name, None, "eu-west-1").is_some(), "{name}");
        }
        for name in ["", "a/b", "a b", "a:b", "a.b", "$LATEST", "é", "a\n"] {
            assert!(!is_function_name(name), "{name}");
        }
    }

    #[test]
    fn a_region_has_a_name_that_can_stand_in_an_arn() {
        for len in [REGION_BYTES - 1, REGION_BYTES, REGION_BYTES + 1] {
            assert_eq!(is_region(&"x".repeat(len)), len <= REGION_BYTES);
        }
        for name in ["us-east-1", "us-gov-west-1", "local"] {
            assert!(is_region(name), "{name}");
        }
        for name in ["", "us east", "us-east-1 ", "a:b", "a\r\nb", "é"] {
            assert!(!is_region(name), "{name}");
        }
    }

    #[test]
    fn a_name_at_the_limit_passes_and_one_byte_more_does_not() {
        for len in [NAME_BYTES - 1, NAME_BYTES, NAME_BYTES + 1] {
            let name = "x".repeat(len);
            assert_eq!(invoked(&name, None, "eu-west-1").is_some(), len <= NAME_BYTES);
        }
    }
}
