//! Outcomes as JUnit's XML, which CI servers read.

use std::collections::BTreeMap;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, Event};

use crate::outcome::{Outcome, Verdict};
use crate::requirement::Severity;

/// A test suite a suite, a test case a requirement. A miss that is no must's counts as skipped, with its reason.
///
/// # Errors
///
/// None that a buffer in memory could give.
pub fn junit(subject: &str, outcomes: &[Outcome]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer.write_event(Event::Start(BytesStart::new("testsuites").with_attributes([("name", subject)])))?;
    let mut suites: BTreeMap<(u32, &str), Vec<&Outcome>> = BTreeMap::new();
    for outcome in outcomes {
        suites.entry((outcome.suite.0, &outcome.suite.1)).or_default().push(outcome);
    }
    for ((number, title), of) in suites {
        let name = format!("{number} {title}");
        let count = |is: fn(&Outcome) -> bool| of.iter().filter(|outcome| is(outcome)).count().to_string();
        let (tests, failures, skipped) = (of.len().to_string(), count(is_failure), count(is_skipped));
        let suite = BytesStart::new("testsuite").with_attributes([
            ("name", name.as_str()),
            ("tests", &tests),
            ("failures", &failures),
            ("skipped", &skipped),
        ]);
        writer.write_event(Event::Start(suite))?;
        for outcome in of {
            case(&mut writer, outcome)?;
        }
        writer.write_event(Event::End(BytesEnd::new("testsuite")))?;
    }
    writer.write_event(Event::End(BytesEnd::new("testsuites")))?;
    Ok(writer.into_inner())
}

fn case(writer: &mut Writer<Vec<u8>>, outcome: &Outcome) -> io::Result<()> {
    let name = format!("{} {}", outcome.number, outcome.title);
    let class = format!("lambwire-conformance.{}", outcome.severity);
    let seconds = format!("{}.{:03}", outcome.millis / 1000, outcome.millis % 1000);
    let attributes = [("name", name.as_str()), ("classname", &class), ("time", &seconds)];
    let element = writer.create_element("testcase").with_attributes(attributes);
    let kind = match (is_failure(outcome), is_skipped(outcome)) {
        (true, _) => "failure",
        (_, true) => "skipped",
        _ => return element.write_empty().map(drop),
    };
    let message = format!("{}: {}", outcome.verdict.word(), outcome.verdict.what());
    let inner = |writer: &mut Writer<Vec<u8>>| -> io::Result<()> {
        writer.create_element(kind).with_attribute(("message", message.as_str())).write_empty().map(drop)
    };
    element.write_inner_content(inner).map(drop)
}

fn is_failure(outcome: &Outcome) -> bool {
    outcome.severity == Severity::Must && outcome.verdict.failed()
}

fn is_skipped(outcome: &Outcome) -> bool {
    matches!(outcome.verdict, Verdict::Skipped(_)) || (outcome.verdict.failed() && !is_failure(outcome))
}
