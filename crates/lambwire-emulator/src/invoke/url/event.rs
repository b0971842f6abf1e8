//! Plain HTTP to an event, in each of its forms (AWS: "Invoking Lambda function URLs", "Create AWS Lambda proxy
//! integrations for HTTP APIs", "Lambda functions as targets for Application Load Balancers").

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, HeaderName, USER_AGENT};
use hyper::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::UrlFormat;
use super::pairs::{Pairs, all, joined, last, raw_parameters, title_case};
use crate::arn;
use crate::event::new_id;
use crate::telemetry;

/// The event for a request, as JSON, of a function in this region. Its invocation has this id.
pub(super) fn event(format: UrlFormat, head: &Parts, body: &[u8], caller: IpAddr, region: &str, id: &str) -> Vec<u8> {
    let request = Request { format, head, body, caller, region, id };
    let event = match format {
        UrlFormat::V2 => request.v2(),
        UrlFormat::V1 => request.v1(),
        UrlFormat::Alb | UrlFormat::AlbMultiValue => request.alb(),
    };
    event.to_string().into_bytes()
}

struct Request<'r> {
    format: UrlFormat,
    head: &'r Parts,
    body: &'r [u8],
    caller: IpAddr,
    region: &'r str,
    id: &'r str,
}

impl Request<'_> {
    /// Function URLs, and HTTP APIs with payload format 2.0.
    fn v2(&self) -> Value {
        let (path, query) = (self.head.uri.path(), self.query());
        let (time, time_ms) = now();
        let mut event = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "headers": joined(self.headers().into_iter().filter(|(name, _)| name != COOKIE.as_str())),
            "requestContext": {
                "accountId": "anonymous",
                "apiId": "local",
                "domainName": self.header(&HOST),
                "domainPrefix": self.domain_prefix(),
                "http": {
                    "method": self.head.method.as_str(),
                    "path": path,
                    "protocol": self.protocol(),
                    "sourceIp": self.caller.to_string(),
                    "userAgent": self.header(&USER_AGENT),
                },
                "requestId": self.id,
                "routeKey": "$default",
                "stage": "$default",
                "time": time,
                "timeEpoch": time_ms,
            },
            "isBase64Encoded": self.is_encoded(),
        });
        let cookies = self.head.headers.get_all(COOKIE).iter().flat_map(|value| {
            lossy(value.as_bytes()).split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>()
        });
        let cookies: Vec<String> = cookies.filter(|cookie| !cookie.is_empty()).collect();
        if !cookies.is_empty() {
            event["cookies"] = cookies.into();
        }
        if !query.is_empty() {
            event["queryStringParameters"] = joined(self.parameters()).into();
        }
        if !self.body.is_empty() {
            event["body"] = self.text().into();
        }
        event
    }

    /// REST APIs without binary media types, whose root and whose proxy resource (`/{proxy+}`) are the function, called under a
    /// domain of their own, so that no path begins with the stage. Their parameter is the path as it came, without the slash
    /// at its end, as API Gateway was seen to have it (LocalStack, `test_apigateway_lambda.snapshot.json`).
    fn v1(&self) -> Value {
        let path = self.head.uri.path();
        let proxy = path.trim_matches('/');
        let (resource, resource_id) = if proxy.is_empty() { ("/", "root") } else { ("/{proxy+}", "proxy") };
        let (time, time_ms) = now();
        let headers: Pairs = self.headers().into_iter().map(|(name, value)| (title_case(&name), value)).collect();
        let parameters = self.parameters();
        let unless_empty = |map: Map<String, Value>| if map.is_empty() { Value::Null } else { map.into() };
        json!({
            "resource": resource,
            "path": path,
            "httpMethod": self.head.method.as_str(),
            "headers": last(&headers),
            "multiValueHeaders": all(&headers),
            "queryStringParameters": unless_empty(last(&parameters)),
            "multiValueQueryStringParameters": unless_empty(all(&parameters)),
            "requestContext": {
                "accountId": arn::ACCOUNT,
                "apiId": "local",
                "deploymentId": "local",
                "domainName": self.header(&HOST),
                "domainPrefix": self.domain_prefix(),
                "extendedRequestId": new_id::<String>(),
                "httpMethod": self.head.method.as_str(),
                "identity": {
                    "accessKey": null,
                    "accountId": null,
                    "caller": null,
                    "cognitoAuthenticationProvider": null,
                    "cognitoAuthenticationType": null,
                    "cognitoIdentityId": null,
                    "cognitoIdentityPoolId": null,
                    "principalOrgId": null,
                    "sourceIp": self.caller.to_string(),
                    "user": null,
                    "userAgent": self.header(&USER_AGENT),
                    "userArn": null,
                },
                "path": path,
                "protocol": self.protocol(),
                "requestId": new_id::<String>(),
                "requestTime": time,
                "requestTimeEpoch": time_ms,
                "resourceId": resource_id,
                "resourcePath": resource,
                "stage": "local",
            },
            "pathParameters": if proxy.is_empty() { Value::Null } else { json!({ "proxy": proxy }) },
            "stageVariables": null,
            "body": if self.body.is_empty() { Value::Null } else { self.text().into() },
            "isBase64Encoded": self.is_encoded(),
        })
    }

    /// Load balancers, which decode no parameters. With multi-value headers, all values of a name are there, and otherwise the
    /// last (AWS, "Lambda functions as targets", "Multi-value headers").
    fn alb(&self) -> Value {
        let (headers, parameters) = (self.headers(), raw_parameters(self.query()));
        let mut event = json!({
            "requestContext": { "elb": { "targetGroupArn": self.target_group() } },
            "httpMethod": self.head.method.as_str(),
            "path": self.head.uri.path(),
            "body": self.text(),
            "isBase64Encoded": self.is_encoded(),
        });
        if self.format == UrlFormat::AlbMultiValue {
            event["multiValueQueryStringParameters"] = all(&parameters).into();
            event["multiValueHeaders"] = all(&headers).into();
        } else {
            event["queryStringParameters"] = last(&parameters).into();
            event["headers"] = last(&headers).into();
        }
        event
    }

    fn query(&self) -> &str {
        self.head.uri.query().unwrap_or_default()
    }

    fn header(&self, name: &HeaderName) -> String {
        self.head.headers.get(name).map(|value| lossy(value.as_bytes())).unwrap_or_default()
    }

    fn domain_prefix(&self) -> String {
        self.header(&HOST).split(['.', ':']).next().unwrap_or_default().to_owned()
    }

    fn protocol(&self) -> String {
        format!("{:?}", self.head.version)
    }

    /// All headers, with small letters, and those that AWS adds.
    fn headers(&self) -> Pairs {
        let headers = self.head.headers.iter();
        let mut pairs: Pairs =
            headers.map(|(name, value)| (name.as_str().to_owned(), lossy(value.as_bytes()))).collect();
        let host = self.header(&HOST);
        let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
        for (name, value) in [
            ("x-forwarded-for", self.caller.to_string()),
            ("x-forwarded-port", port.to_owned()),
            ("x-forwarded-proto", "http".to_owned()),
        ] {
            if !self.head.headers.contains_key(name) {
                pairs.push((name.to_owned(), value));
            }
        }
        pairs
    }

    fn parameters(&self) -> Pairs {
        let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        raw_parameters(self.query()).iter().map(|(name, value)| (decoded(name), decoded(value))).collect()
    }

    /// Whether the body is handed over in base64. REST APIs do so for the binary media types that they name alone; here it is
    /// for what no text can have.
    fn is_encoded(&self) -> bool {
        let may_be_text = self.format == UrlFormat::V1 || is_text(&self.header(&CONTENT_TYPE));
        let is_text = may_be_text && str::from_utf8(self.body).is_ok();
        !self.body.is_empty() && !is_text
    }

    fn text(&self) -> String {
        if self.is_encoded() { BASE64_STANDARD.encode(self.body) } else { lossy(self.body) }
    }

    /// Where load balancers find the function.
    fn target_group(&self) -> String {
        let (region, account) = (self.region, arn::ACCOUNT);
        format!("arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/function/0123456789abcdef")
    }
}

/// Whether a body of this media type is handed over as text.
fn is_text(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_known = matches!(&*media_type, "application/json" | "application/javascript" | "application/xml");
    is_known
        || media_type.is_empty()
        || media_type.starts_with("text/")
        || media_type.ends_with("+json")
        || media_type.ends_with("+xml")
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The time as logs of web servers have it, and in milliseconds since the Unix epoch.
fn now() -> (String, u64) {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let since_epoch: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = telemetry::date(since_epoch.as_secs() / 86_400);
    let month = usize::try_from(month).ok().and_then(|month| MONTHS.get(month - 1)).unwrap_or(&"");
    let second = since_epoch.as_secs() % 86_400;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let time = format!("{day:02}/{month}/{year}:{hour:02}:{minute:02}:{second:02} +0000");
    (time, u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(format: UrlFormat, request: hyper::http::request::Builder, body: &[u8]) -> Value {
        let (head, ()) = request.body(()).unwrap().into_parts();
        serde_json::from_slice(&event(format, &head, body, [127, 0, 0, 1].into(), "eu-west-1", "id")).unwrap()
    }

    fn request() -> hyper::http::request::Builder {
        let request = hyper::Request::builder().method("PUT").uri("/a%20b?x=1&y=%2B&x=2&z");
        request.header("Host", "localhost:8081").header("X-Two", "1").header("X-Two", "2").header("Cookie", "c=1")
    }

    #[test]
    fn what_came_more_than_once_is_joined_and_percent_signs_are_undone() {
        let event = made(UrlFormat::V2, request(), b"");
        assert_eq!(event["queryStringParameters"], json!({ "x": "1,2", "y": "+", "z": "" }));
        assert_eq!((&event["headers"]["x-two"], &event["cookies"]), (&json!("1,2"), &json!(["c=1"])));
    }

    #[test]
    fn rest_apis_have_the_last_value_and_all_values() {
        let event = made(UrlFormat::V1, request(), b"");
        assert_eq!((&event["version"], &event["httpMethod"]), (&Value::Null, &json!("PUT")));
        assert_eq!(event["queryStringParameters"], json!({ "x": "2", "y": "+", "z": "" }));
        assert_eq!(event["multiValueQueryStringParameters"], json!({ "x": ["1", "2"], "y": ["+"], "z": [""] }));
        assert_eq!((&event["headers"]["X-Two"], &event["headers"]["Cookie"]), (&json!("2"), &json!("c=1")));
        assert_eq!(event["multiValueHeaders"]["X-Two"], json!(["1", "2"]));
        assert_eq!((&event["body"], &event["path"]), (&Value::Null, &json!("/a%20b")));
        let bare = made(UrlFormat::V1, hyper::Request::builder().uri("/"), b"\xff");
        assert_eq!(bare["queryStringParameters"], Value::Null);
        assert_eq!((&bare["body"], &bare["isBase64Encoded"]), (&json!("/w=="), &json!(true)));
    }

    #[test]
    fn rest_apis_have_headers_as_clients_send_them_and_others_small_letters() {
        let asked = || request().header("content-type", "text/plain").header("X-amz--DATE2a", "1");
        for (format, names) in [
            (UrlFormat::V1, ["Content-Type", "Host", "X-Amz--Date2a", "X-Forwarded-For", "X-Forwarded-Port"]),
            (UrlFormat::V2, ["content-type", "host", "x-amz--date2a", "x-forwarded-for", "x-forwarded-port"]),
            (UrlFormat::Alb, ["content-type", "host", "x-amz--date2a", "x-forwarded-for", "x-forwarded-port"]),
        ] {
            let event = made(format, asked(), b"");
            for name in names {
                assert!(event["headers"][name].is_string(), "{format:?}: {name}");
                let all = &event["multiValueHeaders"];
                assert_eq!(all[name].is_array(), format == UrlFormat::V1, "{format:?}: {name}");
            }
        }
    }

    #[test]
    fn rest_apis_name_the_resource_and_what_of_the_path_is_its_parameter() {
        for (path, resource, proxy) in [
            ("/", "/", None),
            ("//", "/", None),
            ("/users/7", "/{proxy+}", Some("users/7")),
            ("/users/7/?a=b", "/{proxy+}", Some("users/7")),
            ("/a%2Bb+c%20/d", "/{proxy+}", Some("a%2Bb+c%20/d")),
        ] {
            let event = made(UrlFormat::V1, hyper::Request::builder().uri(path), b"");
            let context = &event["requestContext"];
            assert_eq!((&event["resource"], &context["resourcePath"]), (&json!(resource), &json!(resource)), "{path}");
            assert_eq!(event["pathParameters"], proxy.map_or(Value::Null, |proxy| json!({ "proxy": proxy })), "{path}");
            assert_eq!(event["path"], context["path"], "{path}");
            assert!(context["stage"].is_string() && context["resourceId"].is_string(), "{path}");
        }
    }

    #[test]
    fn load_balancers_leave_parameters_as_they_are() {
        let event = made(UrlFormat::Alb, request(), b"hi");
        assert_eq!(event["queryStringParameters"], json!({ "x": "2", "y": "%2B", "z": "" }));
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("hi"), &json!(false)));
        let target_group = event["requestContext"]["elb"]["targetGroupArn"].as_str().unwrap();
        assert!(
            target_group.starts_with("arn:aws:elasticloadbalancing:eu-west-1:012345678912:targetgroup/"),
            "{target_group}"
        );
        assert_eq!(event["version"], Value::Null);
    }

    #[test]
    fn load_balancers_with_multi_value_headers_have_all_values_and_no_single_ones() {
        let event = made(UrlFormat::AlbMultiValue, request().header("A", "1").header("A", "2"), b"");
        assert_eq!(event["multiValueQueryStringParameters"]["x"].as_array().unwrap().last(), Some(&json!("2")));
        assert_eq!(event["multiValueHeaders"]["a"], json!(["1", "2"]));
        for name in ["headers", "queryStringParameters"] {
            assert!(event.get(name).is_none(), "{name}");
        }
        for name in ["multiValueHeaders", "multiValueQueryStringParameters"] {
            assert!(made(UrlFormat::Alb, request(), b"").get(name).is_none(), "{name}");
        }
    }

    #[test]
    fn rest_apis_take_for_text_what_is_text() {
        for (format, is_encoded) in [(UrlFormat::V1, false), (UrlFormat::V2, true), (UrlFormat::Alb, true)] {
            for media_type in
                ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql"]
            {
                let event = made(format, request().header("Content-Type", media_type), b"a=1");
                let body = if is_encoded { "YT0x" } else { "a=1" };
                assert_eq!(
                    (&event["body"], &event["isBase64Encoded"]),
                    (&json!(body), &json!(is_encoded)),
                    "{media_type}"
                );
            }
            let event = made(format, request().header("Content-Type", "text/plain"), b"\xff");
            assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("/w=="), &json!(true)));
        }
    }

    #[test]
    fn text_is_known_from_bytes_by_its_media_type() {
        for (content_type, expected) in [
            ("", true),
            ("text/html; charset=utf-8", true),
            ("Application/JSON", true),
            ("application/problem+json", true),
            ("image/png", false),
            ("multipart/form-data; boundary=x", false),
        ] {
            assert_eq!(is_text(content_type), expected, "{content_type}");
        }
    }
}
