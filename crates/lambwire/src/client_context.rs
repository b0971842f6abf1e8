//! What comes along about the caller, as JSON: client context and Cognito identity.

use crate::json::{Text, Value, at};

/// A look into the client context, as AWS's mobile SDKs make it: objects `client`, `custom` and `env`, all optional.
#[derive(Clone, Copy, Debug)]
pub struct ClientContext<'a> {
    json: &'a str,
}

impl<'a> ClientContext<'a> {
    /// A look into `json`, which may be anything.
    pub fn new(json: &'a str) -> Self {
        Self { json }
    }

    /// The whole text.
    pub fn as_str(&self) -> &'a str {
        self.json
    }

    /// Id of the app's installation.
    pub fn installation_id(&self) -> Option<Text<'a>> {
        self.client("installation_id")
    }

    /// Title of the app.
    pub fn app_title(&self) -> Option<Text<'a>> {
        self.client("app_title")
    }

    /// Version of the app, for people.
    pub fn app_version_name(&self) -> Option<Text<'a>> {
        self.client("app_version_name")
    }

    /// Version of the app, for programs.
    pub fn app_version_code(&self) -> Option<Text<'a>> {
        self.client("app_version_code")
    }

    /// Package of the app.
    pub fn app_package_name(&self) -> Option<Text<'a>> {
        self.client("app_package_name")
    }

    fn client(&self, key: &str) -> Option<Text<'a>> {
        at(self.json.as_bytes(), &["client", key])
    }

    /// What the caller put under `key` of `custom`.
    pub fn custom(&self, key: &str) -> Option<Value<'a>> {
        self.get(&["custom", key])
    }

    /// What the SDK put under `key` of `env`.
    pub fn env(&self, key: &str) -> Option<Value<'a>> {
        // AWS's Rust client calls it `environment`.
        self.get(&["env", key]).or_else(|| self.get(&["environment", key]))
    }

    /// What stands under `keys`, one inside the other.
    pub fn get(&self, keys: &[&str]) -> Option<Value<'a>> {
        Value::at(self.json.as_bytes(), keys)
    }
}

/// A look into the Cognito identity.
#[derive(Clone, Copy, Debug)]
pub struct CognitoIdentity<'a> {
    json: &'a str,
}

impl<'a> CognitoIdentity<'a> {
    /// A look into `json`, which may be anything.
    pub fn new(json: &'a str) -> Self {
        Self { json }
    }

    /// The whole text.
    pub fn as_str(&self) -> &'a str {
        self.json
    }

    /// The identity.
    pub fn identity_id(&self) -> Option<Text<'a>> {
        self.either("cognitoIdentityId", "identity_id")
    }

    /// The pool that it comes from.
    pub fn identity_pool_id(&self) -> Option<Text<'a>> {
        self.either("cognitoIdentityPoolId", "identity_pool_id")
    }

    fn either(&self, key: &str, other: &str) -> Option<Text<'a>> {
        let json = self.json.as_bytes();
        at(json, &[key]).or_else(|| at(json, &[other]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_context_is_looked_into_without_failing() {
        let context = ClientContext::new(
            r#"{"Client":{"app_title":"a\u0041","x":1},"custom":{"k":{"deep":2},"n":3},"environment":{"os":"b"}}"#,
        );
        assert!(context.app_title().is_some_and(|title| title == "aA"));
        assert_eq!(context.installation_id(), None);
        assert_eq!(context.custom("k"), Some(Value::Other));
        assert_eq!(context.get(&["custom", "k", "deep"]), Some(Value::Integer(2)));
        assert_eq!(context.custom("n"), Some(Value::Integer(3)));
        assert!(context.env("os").and_then(|os| os.text()).is_some_and(|os| os == "b"));
        assert_eq!(ClientContext::new("not json").custom("k"), None);
    }

    #[test]
    fn a_cognito_identity_is_read_under_both_names() {
        let identity = CognitoIdentity::new(r#"{"cognitoIdentityId":"i","identity_pool_id":"p"}"#);
        assert!(identity.identity_id().is_some_and(|id| id == "i"));
        assert!(identity.identity_pool_id().is_some_and(|id| id == "p"));
    }
}
