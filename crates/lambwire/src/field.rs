//! What messages carry in headers.
//!
//! Every `Lambda-*` header name of the protocol stands in this file and in no other.

use crate::error::SendError;
use crate::limits;
use crate::wire::base64;
use crate::wire::headers::{Header, is_named, is_sendable};
use crate::wire::writer::Writer;

/// The values that a message carries in headers. As text: what the value is, for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is named for its header")]
pub enum Field {
    RequestId,
    DeadlineMs,
    InvokedFunctionArn,
    TraceId,
    ClientContext,
    CognitoIdentity,
    TenantId,
    InvocationId,
    ResponseMode,
    ErrorType,
    ErrorBody,
    XRayCause,
    ExtensionName,
    ExtensionId,
    ContentType,
}

impl Field {
    /// How many there are.
    const COUNT: usize = Self::ContentType as usize + 1;

    /// The field whose header has this name, in whatever case.
    #[inline]
    fn of_name(name: &[u8]) -> Option<Self> {
        let is = |field: Self| is_named(name, field.header_name());
        Some(match name.len() {
            12 if is(Self::ContentType) => Self::ContentType,
            21 if is(Self::ExtensionName) => Self::ExtensionName,
            23 if is(Self::TraceId) => Self::TraceId,
            26 if is(Self::DeadlineMs) => Self::DeadlineMs,
            27 if is(Self::ExtensionId) => Self::ExtensionId,
            28 if is(Self::InvocationId) => Self::InvocationId,
            28 if is(Self::TenantId) => Self::TenantId,
            29 if is(Self::RequestId) => Self::RequestId,
            29 if is(Self::ClientContext) => Self::ClientContext,
            31 if is(Self::CognitoIdentity) => Self::CognitoIdentity,
            34 if is(Self::ErrorType) => Self::ErrorType,
            34 if is(Self::ErrorBody) => Self::ErrorBody,
            35 if is(Self::InvokedFunctionArn) => Self::InvokedFunctionArn,
            37 if is(Self::ResponseMode) => Self::ResponseMode,
            40 if is(Self::XRayCause) => Self::XRayCause,
            _ => return None,
        })
    }

    /// The header in the exact case in which AWS writes it: at least one client looks for no other.
    pub const fn header_name(self) -> &'static str {
        match self {
            Self::RequestId => "Lambda-Runtime-Aws-Request-Id",
            Self::DeadlineMs => "Lambda-Runtime-Deadline-Ms",
            Self::InvokedFunctionArn => "Lambda-Runtime-Invoked-Function-Arn",
            Self::TraceId => "Lambda-Runtime-Trace-Id",
            Self::ClientContext => "Lambda-Runtime-Client-Context",
            Self::CognitoIdentity => "Lambda-Runtime-Cognito-Identity",
            Self::TenantId => "Lambda-Runtime-Aws-Tenant-Id",
            Self::InvocationId => "Lambda-Runtime-Invocation-Id",
            Self::ResponseMode => "Lambda-Runtime-Function-Response-Mode",
            Self::ErrorType => "Lambda-Runtime-Function-Error-Type",
            Self::ErrorBody => "Lambda-Runtime-Function-Error-Body",
            Self::XRayCause => "Lambda-Runtime-Function-XRay-Error-Cause",
            Self::ExtensionName => "Lambda-Extension-Name",
            Self::ExtensionId => "Lambda-Extension-Identifier",
            Self::ContentType => "Content-Type",
        }
    }
}

impl Field {
    /// What the value is, in words, as an error names it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::RequestId => "request id",
            Self::DeadlineMs => "deadline",
            Self::InvokedFunctionArn => "function ARN",
            Self::TraceId => "trace id",
            Self::ClientContext => "client context",
            Self::CognitoIdentity => "Cognito identity",
            Self::TenantId => "tenant id",
            Self::InvocationId => "invocation id",
            Self::ResponseMode => "response mode",
            Self::ErrorType => "error type",
            Self::ErrorBody => "error report",
            Self::XRayCause => "X-Ray cause",
            Self::ExtensionName => "extension name",
            Self::ExtensionId => "extension id",
            Self::ContentType => "content type",
        }
    }
}

/// Names the event that an extension gets. It is no [`Field`]: no other reply has it, and each has room for every field.
pub(crate) const EXTENSION_EVENT_ID: &str = "Lambda-Extension-Event-Identifier";

/// Where the values of one head stand in it: of each name the first, as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeaderIndex {
    /// Start and length. A start of 0, where no value stands, is for a header that did not come.
    values: [(u32, u32); Field::COUNT],
    two_request_ids: bool,
}

/// The values of one head.
#[derive(Clone, Copy)]
pub(crate) struct IndexedHeaders<'s, 'i> {
    head: &'i [u8],
    index: &'s HeaderIndex,
}

impl HeaderIndex {
    /// Takes a header of `head` into account, and says whether its name is known.
    pub(crate) fn record(&mut self, head: &[u8], name: &[u8], value: &[u8]) -> bool {
        let Some(field) = Field::of_name(name) else {
            return false;
        };
        let Some(slot) = self.values.get_mut(field as usize) else {
            return false;
        };
        if slot.0 == 0 {
            let start = value.as_ptr().addr().wrapping_sub(head.as_ptr().addr());
            *slot = (place(start), place(value.len()));
        } else if matches!(field, Field::RequestId) {
            self.two_request_ids |= part(head, *slot) != value;
        }
        true
    }

    pub(crate) fn fields<'s, 'i>(&'s self, head: &'i [u8]) -> IndexedHeaders<'s, 'i> {
        IndexedHeaders { head, index: self }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a head ends at its limit, far below 2³²")]
fn place(index: usize) -> u32 {
    index as u32
}

fn part(head: &[u8], (start, len): (u32, u32)) -> &[u8] {
    head.get(start as usize..).and_then(|rest| rest.get(..len as usize)).unwrap_or_default()
}

impl<'i> IndexedHeaders<'_, 'i> {
    /// The first value of this name, even if it is empty.
    pub(crate) fn first(&self, field: Field) -> Option<&'i [u8]> {
        let span = *self.index.values.get(field as usize)?;
        (span.0 != 0).then(|| part(self.head, span))
    }

    /// The raw value; one that is empty is as good as absent (AWS's server for managed instances sends such).
    pub(crate) fn raw(&self, field: Field) -> Option<&'i [u8]> {
        self.first(field).filter(|value| !value.is_empty())
    }

    /// The value if it is UTF-8.
    pub(crate) fn text(&self, field: Field) -> Option<&'i str> {
        core::str::from_utf8(self.raw(field)?).ok()
    }

    /// Whether two request ids came that differ.
    pub(crate) fn has_two_request_ids(&self) -> bool {
        self.index.two_request_ids
    }
}

/// An error type that fits a header or a trailer.
pub(crate) fn checked_error_type(error_type: &str) -> Result<&[u8], SendError> {
    let bytes = error_type.as_bytes();
    if bytes.len() > limits::ERROR_TYPE_BYTES || !is_sendable(bytes) {
        return Err(SendError::InvalidValue(Field::ErrorType.label()));
    }
    Ok(bytes)
}

/// Writes the trailers that end a stream which failed on the way: both names are announced in its head.
pub(crate) fn write_error_trailers(writer: &mut Writer<'_>, error_type: &[u8], report: &[u8]) {
    writer.header(Field::ErrorType.header_name(), error_type);
    writer.put(Field::ErrorBody.header_name().as_bytes());
    writer.put(b": ");
    base64::write(writer, report);
    writer.put(b"\r\n");
}

/// Writes a header that has a value, which must not be able to say more than that.
pub(crate) fn put(writer: &mut Writer<'_>, field: Field, value: Option<&[u8]>) -> Result<(), SendError> {
    let Some(value) = value else { return Ok(()) };
    if !is_sendable(value) {
        return Err(SendError::InvalidValue(field.label()));
    }
    writer.header(field.header_name(), value);
    Ok(())
}

/// Writes headers that have no [`Field`].
pub(crate) fn put_others(writer: &mut Writer<'_>, headers: &[Header<'_>]) -> Result<(), SendError> {
    for header in headers {
        if !header.is_sendable() {
            return Err(SendError::InvalidValue("header"));
        }
        writer.header(header.name, header.value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Field; Field::COUNT] = [
        Field::RequestId,
        Field::DeadlineMs,
        Field::InvokedFunctionArn,
        Field::TraceId,
        Field::ClientContext,
        Field::CognitoIdentity,
        Field::TenantId,
        Field::InvocationId,
        Field::ResponseMode,
        Field::ErrorType,
        Field::ErrorBody,
        Field::XRayCause,
        Field::ExtensionName,
        Field::ExtensionId,
        Field::ContentType,
    ];

    #[test]
    fn every_header_is_found_by_its_name_in_any_case() {
        for field in ALL {
            for name in
                [field.header_name().into(), field.header_name().to_lowercase(), field.header_name().to_uppercase()]
            {
                assert_eq!(Field::of_name(name.as_bytes()), Some(field));
            }
            assert_eq!(Field::of_name(std::format!("{}x", field.header_name()).as_bytes()), None);
            assert_eq!(Field::of_name("x".repeat(field.header_name().len()).as_bytes()), None);
        }
    }
}
