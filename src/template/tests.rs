//! What tags may say, what they become, and what is refused at load.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Format, Template, TemplateFault};
use crate::base::Zone;
use crate::model::{Context, Kind, Scope, Shape};

fn compile(source: &str) -> Template {
    Template::compile(source, Format::Text).expect("a template")
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

fn text_as(source: &str, format: Format, payload: &Value) -> Result<String, String> {
    let payload = object(payload);
    let zone = Zone::get("America/New_York").expect("a bundled zone");
    Template::compile(source, format).expect("a template").text(&Context::new(&payload, zone))
}

fn text(source: &str, payload: &Value) -> Result<String, String> {
    text_as(source, Format::Text, payload)
}

fn markdown(source: &str, name: &str) -> String {
    text_as(source, Format::Markdown, &json!({"name": name})).expect("a text")
}

fn value(source: &str, payload: &Value) -> Result<Option<Value>, String> {
    let payload = object(payload);
    compile(source).value(&Context::new(&payload, Zone::UTC))
}

fn faults(source: &str) -> Vec<TemplateFault> {
    Template::compile(source, Format::Text).expect_err("faults")
}

fn scope() -> Scope {
    let lead = Kind::Object(
        [
            ("lead_id".to_owned(), Shape::required(Kind::Integer)),
            ("score".to_owned(), Shape::optional(Kind::Number)),
        ]
        .into(),
    );
    Scope::default()
        .with("first_name", Shape::required(Kind::Text))
        .with("business_name", Shape::required(Kind::Text))
        .with("leak", Shape::required(Kind::Number))
        .with("nickname", Shape::optional(Kind::Text))
        .with("items", Shape::required(Kind::List(Box::new(Kind::Text))))
        .with("lead", Shape::required(lead.clone()))
        .with("before", Shape::optional(lead))
}

/// The underlined text and the help of every mistake.
fn checked(source: &str, keeps_type: bool) -> Vec<(String, String)> {
    compile(source)
        .check(&scope(), keeps_type)
        .into_iter()
        .map(|fault| (source[fault.range].to_owned(), fault.help.unwrap_or_default()))
        .collect()
}

#[test]
fn one_tag_keeps_its_type_and_may_be_missing() {
    let payload =
        json!({"n": 5, "flag": false, "list": [1, "a"], "nothing": null, "o": {"x": 1.5}});
    for (source, expected) in [
        ("{{n}}", Some(json!(5))),
        ("{{ flag }}", Some(json!(false))),
        ("{{list}}", Some(json!([1, "a"]))),
        ("{{o.x}}", Some(json!(1.5))),
        ("{{nothing}}", None),
        ("{{o.y}}", None),
        ("{{missing}}", None),
        ("{{missing | default(7)}}", Some(json!(7))),
        ("{{ missing | round }}", None),
        ("{{n + 1}}", Some(json!(6))),
        ("{{n * 2}}", Some(json!(10))),
        ("n is {{n}}", Some(json!("n is 5"))),
        ("plain", Some(json!("plain"))),
    ] {
        assert_eq!(value(source, &payload), Ok(expected), "{source}");
    }
}

#[test]
fn text_needs_every_value() {
    let payload = json!({"name": "Sarah", "nothing": null});
    assert_eq!(text("Hi {{name}}!\n", &payload), Ok(String::from("Hi Sarah!\n")));
    assert_eq!(text("{{nothing | default('there')}}, hi", &payload), Ok(String::from("there, hi")));
    assert_eq!(text("{{a.b | default('x')}}.", &payload), Ok(String::from("x.")));
    assert_eq!(text("{% if a %}yes{% else %}no{% endif %}", &payload), Ok(String::from("no")));
    for (source, expected) in [
        ("{{missing}}", "`missing` is missing"),
        ("Hi {{missing}}", "`missing` is missing"),
        ("Hi {{nothing}}", "`nothing` is missing"),
        ("Hi {{missing | upper}}", "`missing` is missing"),
        ("Hi {{a.b | date}}", "`a.b` is missing"),
    ] {
        let told = text(source, &payload).expect_err("a refusal");
        assert!(told.contains(expected), "{source}: {told}");
    }
}

#[test]
fn numbers_dates_and_times_are_written_for_people() {
    let payload = json!({"at": "2025-12-10T03:00:00Z", "day": "2025-12-10", "n": 14700, "f": 14700.5,
        "w": 14700.0, "small": 0.85, "neg": -1_234_567, "t": "1234.5", "name": "Sarah"});
    for (source, expected) in [
        ("{{n | number}}", "14,700"),
        ("{{f | number}}", "14,700.50"),
        ("{{w | number}}", "14,700"),
        ("{{w}}", "14700"),
        ("{{w}} {{f}} {{small}}", "14700 14700.5 0.85"),
        ("{{small | number}}", "0.85"),
        ("{{neg | number}}", "-1,234,567"),
        ("{{t | number(0)}}", "1,234"),
        ("{{n | number(1)}}", "14,700.0"),
        ("{{at | date}}", "9 December 2025"),
        ("{{at | time}}", "22:00"),
        ("{{at | date('%Y-%m-%d')}}", "2025-12-09"),
        ("{{at | time('%-I:%M %p')}}", "10:00 PM"),
        ("{{day | date}}", "10 December 2025"),
    ] {
        assert_eq!(text(source, &payload), Ok(expected.to_owned()), "{source}");
    }
    assert!(text("{{name | date}}", &payload).is_err_and(|told| told.contains("got `Sarah`")));
    assert!(text("{{name | number}}", &payload).is_err_and(|told| told.contains("a number")));
    assert!(text("{{at | date('%Q %')}}", &payload).is_err());
}

#[test]
fn numbers_and_days_are_written_as_the_language_of_the_text_writes_them() {
    let payload = object(&json!({"at": "2025-03-10T03:00:00Z", "day": "2026-01-01", "n": 14700.5}));
    let source =
        "{{n | number}}; {{1234 | number}}; {{day | date}}; {{at | date('%A %-d %B %% %%B')}}";
    let template = compile(source);
    for (language, expected) in [
        (None, "14,700.50; 1,234; 1 January 2026; Sunday 9 March % %B"),
        (Some("en-gb"), "14,700.50; 1,234; 1 January 2026; Sunday 9 March % %B"),
        (Some("de-at"), "14.700,50; 1.234; 1. Januar 2026; Sonntag 9 März % %B"),
        (Some("fr"), "14\u{a0}700,50; 1\u{a0}234; 1 janvier 2026; dimanche 9 mars % %B"),
        (Some("es"), "14.700,50; 1234; 1 de enero de 2026; domingo 9 marzo % %B"),
        (Some("es-mx"), "14,700.50; 1,234; 1 de enero de 2026; domingo 9 marzo % %B"),
        (Some("es-ar"), "14.700,50; 1234; 1 de enero de 2026; domingo 9 marzo % %B"),
        (Some("de-ch"), "14’700.50; 1’234; 1. Januar 2026; Sonntag 9 März % %B"),
        (Some("it-ch"), "14’700.50; 1234; 1 gennaio 2026; domenica 9 marzo % %B"),
        (Some("it"), "14.700,50; 1.234; 1 gennaio 2026; domenica 9 marzo % %B"),
        (Some("nl"), "14.700,50; 1.234; 1 januari 2026; zondag 9 maart % %B"),
        (Some("pt-br"), "14.700,50; 1.234; 1 de janeiro de 2026; domingo 9 março % %B"),
        (Some("pl"), "14\u{a0}700,50; 1234; 1 stycznia 2026; niedziela 9 marca % %B"),
        (Some("sv"), "14\u{a0}700.50; 1\u{a0}234; 2026-01-01; Sunday 9 March % %B"),
    ] {
        let zone = Zone::get("America/New_York").expect("a bundled zone");
        let mut context = Context::new(&payload, zone);
        context.language = language.map(str::to_owned);
        assert_eq!(template.text(&context).as_deref(), Ok(expected), "{language:?}");
    }
}

#[test]
fn unknown_names_are_found_with_their_place_and_a_suggestion() {
    let source =
        "Hi {{first_name}},\n\nü {{ bussiness_name }} {{ lead.scor | default(1) }} {{zebra}}";
    assert_eq!(
        checked(source, false),
        [
            ("bussiness_name".to_owned(), "did you mean `business_name`?".to_owned()),
            ("scor".to_owned(), "did you mean `score`?".to_owned()),
            (
                "zebra".to_owned(),
                "available: before, business_name, first_name, items, lead, leak, nickname"
                    .to_owned()
            ),
        ]
    );
    assert_eq!(checked("{{lead_id}}", false)[0].1, "did you mean `before.lead_id`?");
    assert!(checked("{% if nam %}x{% endif %}", false)[0].0 == "nam");
}

#[test]
fn optional_values_need_a_default_in_texts() {
    for source in [
        "{{nickname}}",
        "Hi {{nickname}}",
        "{{nickname | upper}}",
        "{{lead.score}}",
        "{{before.lead_id}}",
        "{% if nickname %}x{% else %}{{nickname}}{% endif %}",
        "{% if before %}{{before.score}}{% endif %}",
        "{% if not nickname %}{{nickname}}{% endif %}",
        "{% if nickname > 3 %}x{% endif %}",
        "{% if nickname == 'x' %}x{% endif %}",
        "{% if 'x' != nickname %}x{% endif %}",
        "{% if nickname in ['x'] %}x{% endif %}",
        "{{'x' if nickname == 'x' else 'y'}}",
    ] {
        let found = checked(source, false);
        assert!(found.len() == 1, "{source}: {found:?}");
        assert!(found[0].1.contains("default("), "{source}: {found:?}");
    }
    for source in [
        "{{nickname | default('there')}}",
        "{{nickname or 'there'}}",
        "{{nickname if nickname else first_name}}",
        "{% if nickname %}{{nickname}}{% endif %}",
        "{% if nickname and nickname == 'x' %}{{nickname}}{% endif %}",
        "{% if nickname is defined and leak > 2 %}{{nickname | upper}}{% endif %}",
        "{% if not nickname %}{% else %}{{nickname}}{% endif %}",
        "{% if before %}{{before.lead_id}}{% endif %}",
        "{% if before.score %}{{before.score}}{{before.lead_id}}{% endif %}",
        "{% for item in items %}{{item}}{{loop.index}}{% endfor %}",
        "{% set x = leak * 2 %}{{x}}",
        "{% with x = leak %}{{x}}{% endwith %}",
    ] {
        assert_eq!(checked(source, false), [], "{source}");
    }
}

#[test]
fn a_field_that_is_one_tag_may_be_optional() {
    assert_eq!(checked("{{nickname}}", true), []);
    assert_eq!(checked("{{lead.score | round}}", true), []);
    assert_eq!(checked("Hi {{nickname}}", true).len(), 1);
    assert_eq!(checked("{{nikname}}", true).len(), 1);
}

#[test]
fn misspelt_filters_are_found_when_the_template_is_read() {
    let source =
        "x {{ a | defualt('b') }} {{ b | nubmer }} {% if c is defned %}{% endif %} {{ rnage(3) }}";
    let found = faults(source);
    let told: Vec<(&str, Option<&str>)> =
        found.iter().map(|fault| (&source[fault.range.clone()], fault.help.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("defualt", Some("did you mean `default`?")),
            ("nubmer", Some("did you mean `number`?")),
            ("defned", Some("did you mean `defined`?")),
            ("rnage", Some("did you mean `range`?")),
        ]
    );
    assert!(found.iter().all(|fault| fault.code == "unknown-filter"));
}

#[test]
fn broken_tags_are_told_with_their_place() {
    for source in
        ["Hi {{name", "{{ a b }}", "{% if a %}x", "{% endif %}", "{{ 'x }}", "{{}}", "{% nope %}"]
    {
        let found = faults(source);
        assert_eq!(found[0].code, "template-syntax", "{source}");
        assert!(source.get(found[0].range.clone()).is_some(), "{source}");
    }
}

#[test]
fn nothing_gets_past_the_escaping() {
    for source in [
        "{{a | safe}}",
        "{{a | e}}",
        "{% autoescape false %}{{a}}{% endautoescape %}",
        "{% set x %}{{a}}{% endset %}",
        "{% filter upper %}{{a}}{% endfilter %}",
        "{{a.upper()}}",
        "{{a | pprint}}",
        "{% include 'x' %}",
        "{{ debug() }}",
    ] {
        assert!(Template::compile(source, Format::Markdown).is_err(), "{source}");
    }
}

#[test]
fn work_and_output_are_bounded() {
    let long = json!({"s": "x".repeat(200_000), "n": 100_000_000});
    for source in [
        "{{s}}{{s}}",
        "{% for i in range(90000) %}{% for j in range(9) %}.{% endfor %}{% endfor %}",
    ] {
        assert!(text(source, &long).is_err(), "{source}");
    }
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(50_000), ")".repeat(50_000));
    assert_eq!(faults(&deep)[0].code, "template-syntax");
    assert!(text("{{s}}", &json!({"s": "x".repeat(300_000)})).is_err());
    assert_eq!(faults("{{ 'x' * 100000000 }}")[0].code, "template-type");
    assert!(text("a {{ s * n }}", &long).is_err_and(|told| told.contains("not a number")));
    assert_eq!(text("a {{ n * 2 }}", &long), Ok(String::from("a 200000000")));
    assert_eq!(checked("{{first_name * 3}}", false)[0].0, "first_name");
}

#[test]
fn markdown_values_stay_text() {
    for name in [
        "<script>alert(1)</script>",
        "**bold** _it_ `code` ~~x~~",
        "# heading",
        "- item",
        "1. item",
        "[x](javascript:alert(1))",
        "![x](https://evil.example/i.png)",
        "https://evil.example www.evil.example a@b.org <https://evil.example>",
        "a\n\n# b\r\n> c",
        "    indented code",
        "a | b",
        "\\* &amp; &lt;",
        "two  \nlines",
        "Sarah\u{0}\u{1b}[31m\u{202e}x",
        "---",
        "| a |\n|---|",
    ] {
        let html = html(&markdown("{{name}}\n", name));
        let kept: String =
            name.chars().filter(|c| !c.is_control() || "\r\n".contains(*c)).collect();
        let kept = kept.replace(['\r', '\n'], " ").replace('\u{202e}', "");
        let expected = format!(
            "<p>{}</p>",
            kept.replace('&', "&amp;")
                .replace('<', "&lt;")
                .replace('>', "&gt;")
                .replace('"', "&quot;")
        );
        assert_eq!(html.trim(), expected, "{name:?}");
    }
}

#[test]
fn a_tag_may_be_a_link_target() {
    let url = "https://example.com/a_b(c)?x=1&y=*2*";
    assert_eq!(
        html(&markdown("[book]({{name}})", url)).trim(),
        "<p><a href=\"https://example.com/a_b(c)?x=1&amp;y=*2*\">book</a></p>"
    );
    assert!(!html(&markdown("[book]({{name}})", "x) <b>")).contains("<b>"));
    assert!(!html(&markdown("<p title=\"{{name}}\">", "\" onload=\"x")).contains("onload=\""));
}

fn html(markdown: &str) -> String {
    let mut out = String::new();
    let all = pulldown_cmark::Options::all() - pulldown_cmark::Options::ENABLE_SMART_PUNCTUATION;
    pulldown_cmark::html::push_html(&mut out, pulldown_cmark::Parser::new_ext(markdown, all));
    out
}

#[test]
fn the_shipped_emails_compile_and_fill() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/rules/emails");
    let payload = json!({"first_name": "Sarah", "business_name": "Sarah's Salon",
        "red_systems": 2, "orange_systems": 1, "yellow_systems": 2, "green_systems": 3,
        "weakest_system_1": "GPS", "revenue_leak_total": 14700, "package_type": "foundation",
        "scheduled_time": "2025-12-10T14:00:00Z", "call_date": "2025-12-08T15:00:00Z",
        "payment_date": "2025-12-09T16:30:00Z"});
    let mut count = 0;
    for file in std::fs::read_dir(folder).expect("a folder") {
        let source = std::fs::read_to_string(file.expect("a file").path()).expect("a text");
        let filled = text_as(&source, Format::Markdown, &payload);
        assert!(filled.is_ok_and(|filled| filled.contains("Sarah") && !filled.contains("{{")));
        count += 1;
    }
    assert_eq!(count, 13);
}

#[test]
fn compiled_things_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Template>();
    shared::<crate::guard::Guard>();
    shared::<crate::payload::Checker>();
}

#[test]
fn paths_are_listed_once() {
    let template =
        compile("{{b.c}} {{a | default(x)}} {% for i in list %}{{i.z}}{% endfor %}{{a}}");
    assert_eq!(template.paths(), ["a", "b.c", "list", "x"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn compiling_never_panics_and_ranges_lie_in_the_text(source in r"([{}%#|.a-z'() *ü\n]|\{\{|\}\}|\{%|%\}|if |for |endif|endfor| in ){0,30}") {
        match Template::compile(&source, Format::Markdown) {
            Ok(template) => {
                for fault in template.check(&scope(), false) {
                    prop_assert!(source.get(fault.range).is_some());
                }
                let payload = Map::new();
                let _ = template.text(&Context::new(&payload, Zone::UTC));
            }
            Err(found) => for fault in found {
                prop_assert!(source.get(fault.range).is_some());
            },
        }
    }

    #[test]
    fn markdown_never_becomes_markup(name in ".{0,40}") {
        let html = html(&markdown("Hi {{name}}.", &name));
        prop_assert!(html.starts_with("<p>Hi ") && html.matches('<').count() == 2, "{}", html);
    }
}

#[test]
fn no_filter_makes_much_out_of_little() {
    let payload = json!({"v": "a".repeat(20_000), "n": "\n".repeat(20_000), "l": [1, 2, 3]});
    for source in [
        "{{ v|replace('', v) }} x",
        "{{ v|replace('a', v)|length }} x",
        "{{ n|lines|join(v) }} x",
        "{{ v|split('')|join(v)|length }}",
        "{{ [1]|batch(100000000, 0)|list|length }} x",
        "{{ l|slice(100000000)|list|length }} x",
        "{{ range(9999)|map('replace', '1', v)|list|length }} x",
        "{{ [v]|batch(100, v) }}",
        "{{ range(9999)|map(attribute='x', default=v) }} x",
        "{{ range(9999)|map(attribute='x', default=v) }}",
    ] {
        let told = text(source, &payload).expect_err(source);
        assert!(told.contains("longer than 256 KiB") || told.contains("at most 100"), "{told}");
    }
    for (source, expected) in [
        ("{{ l|join(', ') }}!", "1, 2, 3!"),
        ("{{ l|join }}!", "123!"),
        ("{{ [{'a': {'b': 1}}, {'a': {'b': 'x'}}]|join('-', attribute='a.b') }}!", "1-x!"),
        ("{{ l|join(d='/') }}!", "1/2/3!"),
        ("{{ 'banana'|replace('an', 'o') }}!", "booa!"),
        ("{{ 1.5|replace('.', ',') }}!", "1,5!"),
        ("{{ l|batch(2, 0)|list }}!", "[[1,2],[3,0]]!"),
        ("{{ l|slice(2)|list }}!", "[[1,2],[3]]!"),
    ] {
        assert_eq!(text(source, &payload).as_deref(), Ok(expected), "{source}");
    }
}

#[test]
fn no_name_grows_without_end() {
    let twice = |count: usize| "{% set x = x ~ x %}".repeat(count);
    let nested = |first: &str, other: &str, end: &str| {
        format!("{first}{}{{{{ x }}}}{}", other.repeat(40), end.repeat(41))
    };
    let grown = |count| format!("{{% set x = 'ab' %}}{}{{{{ x }}}}", twice(count));
    assert_eq!(text(&grown(3), &json!({"y": 1})).as_deref(), Ok("ab".repeat(8).as_str()));
    for source in [
        grown(40),
        format!("{{% set x = [1] %}}{}{{{{ x }}}}", "{% set x = x|chain(x)|list %}".repeat(40)),
        nested("{% with x = 'ab' %}", "{% with x = x ~ x %}", "{% endwith %}"),
        nested("{% for x in ['ab'] %}", "{% for x in [x ~ x] %}", "{% endfor %}"),
    ] {
        let found = faults(&source);
        assert!(found.iter().all(|fault| fault.code == "template-forbidden"), "{found:?}");
        assert!(found[0].message.contains("more than 64 values"), "{}", found[0].message);
    }
}

#[test]
fn a_space_at_the_end_stays_one_when_what_follows_it_is_dropped() {
    assert_eq!(markdown("{{ name }}\nx", "a \t\u{1}"), "a&#32;&#32;\nx");
    assert_eq!(markdown("{{ name }}", "\u{202e}  a"), "&#32;&#32;a");
}
