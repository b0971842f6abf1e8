//! What pages of other origins may do with the URL of a function (AWS, "Cross-origin resource sharing").

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, StatusCode};
use serde::Deserialize;

use crate::invoke::reply::{self, Reply};

/// The member `Cors` of a function URL's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub(crate) struct Cors {
    allow_credentials: bool,
    allow_headers: Vec<String>,
    allow_methods: Vec<String>,
    allow_origins: Vec<String>,
    expose_headers: Vec<String>,
    max_age: Option<u32>,
}

impl Cors {
    /// Reads it as JSON.
    pub(crate) fn read(json: &str) -> Result<Self, String> {
        let cors: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        let texts = [&cors.allow_headers, &cors.allow_methods, &cors.allow_origins, &cors.expose_headers];
        if let Some(text) = texts.into_iter().flatten().find(|text| HeaderValue::from_str(text).is_err()) {
            return Err(format!("{text:?} cannot stand in a header"));
        }
        Ok(cors)
    }

    /// The reply to a browser that asks beforehand, which no function gets to see.
    pub(super) fn preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Reply> {
        let is_preflight = method == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let origin = headers.get(ORIGIN).filter(|_| is_preflight)?;
        let mut reply = reply::reply(StatusCode::OK, Vec::new());
        if self.put_origin(origin, reply.headers_mut()) {
            let lists = [
                (ACCESS_CONTROL_ALLOW_METHODS, &self.allow_methods),
                (ACCESS_CONTROL_ALLOW_HEADERS, &self.allow_headers),
            ];
            for (name, list) in lists {
                put(reply.headers_mut(), name, list);
            }
            if let Some(max_age) = self.max_age {
                reply.headers_mut().insert(ACCESS_CONTROL_MAX_AGE, max_age.into());
            }
        }
        Some(reply)
    }

    /// Adds to a reply what the browser has to know, in place of what the function says.
    pub(super) fn complete(&self, origin: Option<&HeaderValue>, reply: &mut Reply) {
        if let Some(origin) = origin
            && self.put_origin(origin, reply.headers_mut())
        {
            put(reply.headers_mut(), ACCESS_CONTROL_EXPOSE_HEADERS, &self.expose_headers);
        }
    }

    fn put_origin(&self, origin: &HeaderValue, headers: &mut HeaderMap) -> bool {
        let is_any = self.allow_origins.iter().any(|allowed| allowed == "*");
        if !is_any && !self.allow_origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes()) {
            return false;
        }
        let is_open = is_any && !self.allow_credentials;
        headers
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, if is_open { HeaderValue::from_static("*") } else { origin.clone() });
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        if self.allow_credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        true
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, list: &[String]) {
    if let Ok(value) = HeaderValue::from_str(&list.join(","))
        && !list.is_empty()
    {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORS: &str = r#"{"AllowOrigins":["https://a.example"],"AllowMethods":["GET","PUT"],"AllowHeaders":["x-a"],
        "ExposeHeaders":["x-b","x-c"],"MaxAge":60,"AllowCredentials":true}"#;

    fn asked(origin: &'static str) -> HeaderMap {
        let headers = [(ORIGIN, origin), (ACCESS_CONTROL_REQUEST_METHOD, "PUT")];
        headers.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn an_origin_that_is_allowed_learns_what_it_may_do_and_another_is_not() {
        let cors = Cors::read(CORS).unwrap();
        let reply = cors.preflight(&Method::OPTIONS, &asked("https://a.example")).unwrap();
        let headers = reply.headers();
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_METHODS], "GET,PUT");
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_HEADERS], "x-a");
        assert_eq!(
            (&headers[ACCESS_CONTROL_MAX_AGE], &headers[ACCESS_CONTROL_ALLOW_CREDENTIALS]),
            (&"60".parse().unwrap(), &"true".parse().unwrap())
        );
        let other = cors.preflight(&Method::OPTIONS, &asked("https://b.example")).unwrap();
        assert!(!other.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        assert!(cors.preflight(&Method::PUT, &asked("https://a.example")).is_none());
        let mut reply = reply::reply(StatusCode::OK, Vec::new());
        cors.complete(Some(&HeaderValue::from_static("https://a.example")), &mut reply);
        assert_eq!(reply.headers()[ACCESS_CONTROL_EXPOSE_HEADERS], "x-b,x-c");
    }

    #[test]
    fn any_origin_is_a_star_unless_it_comes_with_credentials() {
        for (json, expected) in [
            (r#"{"AllowOrigins":["*"]}"#, "*"),
            (r#"{"AllowOrigins":["*"],"AllowCredentials":true}"#, "https://a.example"),
        ] {
            let reply = Cors::read(json).unwrap().preflight(&Method::OPTIONS, &asked("https://a.example")).unwrap();
            assert_eq!(reply.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], expected);
        }
    }

    #[test]
    fn what_is_no_configuration_is_refused_by_name() {
        for (json, part) in [
            ("{", "EOF"),
            (r#"{"AllowOrigin":["*"]}"#, "AllowOrigin"),
            (r#"{"AllowHeaders":["a\r\nb"]}"#, "cannot stand in a header"),
            (r#"{"MaxAge":"1"}"#, "u32"),
        ] {
            let error = Cors::read(json).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
