//! What becomes of HTML and MJML, and what is refused in them.

use super::*;

fn found(source: &str) -> Vec<(Trouble, &str)> {
    let faults = check(source, Html::Page);
    faults.into_iter().map(|fault| (fault.what, &source[fault.range])).collect()
}

#[test]
fn in_the_plain_text_nothing_goes_on_with_an_address_that_has_ended() {
    for (page, seen) in [
        ("<b>https://a.example</b>.evil.example", "https://a.example. evil.example"),
        ("<a href=\"https://a.example\"></a>@evil", "https://a.example @evil"),
        ("<i>https://a.example</i>, or <b>this</b>. So", "https://a.example, or this. So"),
        ("<i>https://a.example</i> and so on", "https://a.example and so on"),
    ] {
        assert_eq!(plain(&format!("<p>{page}</p>")).trim(), seen);
    }
}

#[test]
fn what_no_mail_program_carries_out_is_refused_at_its_place() {
    for (source, place) in [
        ("<p>a</p><script>alert(1)</script>", "script"),
        ("<form action=x>", "form"),
        ("<IFRAME src='https://example.com'></IFRAME>", "IFRAME"),
        ("<p onclick='x()'>", "onclick"),
        ("<a href='javascript:x()'>a</a>", "javascript:x()"),
        ("<img src=\"data:image/png;base64,AA\">", "data:image/png;base64,AA"),
        (
            "<link rel=stylesheet href='https://example.com/a.css'>",
            "<link rel=stylesheet href='https://example.com/a.css'>",
        ),
        ("<style>@import url(x.css);</style>", "@import"),
        ("<svg><circle/></svg>", "svg"),
        (
            "<meta http-equiv=refresh content='0;url=x'>",
            "<meta http-equiv=refresh content='0;url=x'>",
        ),
    ] {
        assert!(found(source).contains(&(Trouble::Unsafe, place)), "{source}: {:?}", found(source));
    }
    let fine = "<style>p { color: #222 } @media (max-width: 600px) { p { color: red } }</style>\
                <p style='margin:0'><a href='https://example.com?a={{x}}' title='{{x}}'>{{x}}</a>\
                <img src=logo.png alt='{{x}}'> 1 < 2 {% if a < b %}x{% endif %}</p>";
    assert_eq!(found(fine), []);
}

#[test]
fn a_value_stands_where_it_can_only_be_text() {
    for (source, place) in [
        ("<p {{x}}>", "{{x}}"),
        ("<a href={{x}}>", "{{x}}"),
        ("<p style=\"color: {{x}}\">", "{{x}}"),
        ("<style>p { color: {{x}} }</style>", "{{x}}"),
        ("<td background=\"{{x}}\">", "{{x}}"),
        ("<p class='{% if x %}a{% endif %}'>", "{% if x %}"),
    ] {
        assert!(found(source).contains(&(Trouble::Tag, place)), "{source}: {:?}", found(source));
    }
}

#[test]
fn what_is_never_closed_is_told() {
    assert_eq!(unread("<p>a</p><!-- b").map(|fault| fault.range.start), Some(8));
    assert_eq!(unread("<p title=\"a>b</p>").map(|fault| fault.range.start), Some(0));
    assert_eq!(unread("a < b and <3"), None);
}

#[test]
fn styles_are_written_into_elements_and_tags_stay_where_they_are() {
    let source = "<style>td { color: red } @media print { td { color: black } }</style>\
                  <table>{% for row in rows %}<tr><td title=\"{{row | default(\"a\")}}\">{{row}}</td></tr>\
                  {% endfor %}</table><!--[if mso]>{{x}}<![endif]-->";
    let page = compose(source, BARE).unwrap();
    assert!(page.contains("<table><tbody>{% for row in rows %}<tr><td "), "{page}");
    assert!(page.contains("title=\"{{row | default(\"a\")}}\""), "{page}");
    assert!(page.contains("style=\"color: red;\""), "{page}");
    assert!(page.contains("@media print"), "{page}");
    assert!(page.contains("<!--[if mso]>{{x}}<![endif]-->"), "{page}");
    assert!(page.contains(FOOTER) && !page.contains("rrtag"), "{page}");
}

#[test]
fn a_page_of_its_own_gets_no_layout() {
    let page = compose("<html><body><p>{{x}}</p></body></html>", BARE).unwrap();
    assert!(!page.contains("class=\"page\""), "{page}");
}

const MJML: &str = "<mjml>\r\n<mj-body>\r\n<mj-section><mj-column>\r\n\
    <mj-text>Hi {{name}}<br>&amp; {% if a < b %}more{% endif %}</mj-text>\r\n\
    <mj-button href=\"https://example.com/{{id}}\">Go</mj-button>\r\n\
    <mj-image src=\"logo.png\" alt=\"{{name}}\" />\r\n\
    <mj-table>{% for row in rows %}<tr><td>{{row}}</td></tr>{% endfor %}</mj-table>\r\n\
    </mj-column></mj-section>\r\n</mj-body>\r\n</mjml>\r\n";

#[test]
fn mjml_becomes_html_with_the_same_tags() {
    let (page, faults) = mjml(MJML);
    let page = page.unwrap();
    assert_eq!(faults, []);
    for part in [
        "Hi {{name}}<br",
        "{% if a < b %}more{% endif %}",
        "href=\"https://example.com/{{id}}\"",
        "alt=\"{{name}}\"",
        "{% for row in rows %}<tr><td>{{row}}</td></tr>{% endfor %}",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("rrtag") && !page.contains("fonts.googleapis"), "{page}");
}

#[test]
fn what_mjml_would_drop_in_silence_is_told() {
    let slip = |from: &str, to: &str| {
        let source = MJML.replacen(from, to, 1);
        assert_ne!(source, MJML, "{from}");
        let (page, faults) = mjml(&source);
        assert_eq!(page, None, "{to}");
        faults.into_iter().map(|fault| source[fault.range].to_owned()).collect::<Vec<_>>()
    };
    for (from, to, place) in [
        ("<mj-text>", "<mj-txet>", "mj-txet"),
        ("href=", "hrefx=", "hrefx"),
        ("<mj-section><mj-column>", "<mj-section>lost<mj-column>", "lost"),
        ("<mj-section>", "{% if x %}<mj-section>", "{% if x %}"),
        ("<mj-body>", "<mj-body><mj-include path=\"x.mjml\" />", "mj-include"),
        ("<mj-body>", "<mj-body><mj-text>x</mj-text>", "mj-text"),
        ("</mj-button>", "", "</mj-column>"),
        ("<mj-text>", "<mj-text color=\"{{name}}\">", "{{name}}"),
        ("<mj-text>", "<mj-text><script>x</script>", "script"),
        ("https://example.com/", "javascript:", "javascript:{{id}}"),
        (
            "<mj-body>",
            "<mj-head><mj-font name=\"a\" href=\"https://x\" /></mj-head><mj-body>",
            "mj-font",
        ),
    ] {
        let found = slip(from, to);
        assert!(found.iter().any(|one| one == place), "{to}: {found:?}");
    }
    // What mail programs ignore is told as well, and the e-mail can be sent.
    let source = MJML.replacen("<mj-text>", "<mj-text><p style=\"position: fixed\">x</p>", 1);
    let (page, faults) = mjml(&source);
    assert!(page.is_some(), "{faults:?}");
    let places: Vec<&str> = faults.into_iter().map(|fault| &source[fault.range]).collect();
    assert_eq!(places, ["position: fixed"]);
    assert_eq!(mjml("<p>hello</p>").0, None);
    assert_eq!(mjml("").0, None);
}

#[test]
fn a_page_is_read_aloud_without_its_tables_and_with_its_links() {
    let page = "<html><head><title>no</title><style>p{}</style></head><body>\
        <div style=\"display: none\">hidden <b>too</b></div>\
        <h1>Grüße,&nbsp;Zoë</h1><table><tr><td>a</td><td>b</td></tr></table>\
        <p>One <a href=\"https://example.com/?a=1&amp;b=2\">two</a>\n  three &lt;b&gt;.</p>\
        <ul><li>x<ul><li>y</li></ul></li><li>z</li></ul>\
        <ol><li>first</li><li>second</li></ol>\
        <a href=\"mailto:a@example.com\">a@example.com</a> <img alt=\"A chart\" src=\"x\"></body></html>";
    assert_eq!(
        plain(page),
        "Grüße, Zoë\n\na b\n\nOne two (https://example.com/?a=1&b=2) three <b>.\n\n\
         - x\n  - y\n- z\n\n1. first\n2. second\n\na@example.com A chart\n"
    );
}

#[test]
fn an_address_from_a_value_leads_to_a_web_page_or_nowhere() {
    for evil in
        ["javascript&#58;alert(1)", " JaVaScript:x", "data:text/html,x", "//evil.example.com", "x"]
    {
        let page = safe_links(&format!("<a href=\"{evil}\">a</a><img src='{evil}' alt=b>"));
        assert_eq!(page, "<a href=\"\">a</a><img src='' alt=b>", "{evil}");
    }
    let fine = "<a href=\"https://example.com/&#63;a\">a</a><img src=\"cid:x@rulerun\">";
    assert_eq!(safe_links(fine), fine);
}

#[test]
fn hidden_words_are_found_and_a_preheader_is_not() {
    let preheader = "<body><div style='display:none'>Look inside</div><p>Hello</p></body>";
    assert_eq!(hidden(preheader), None);
    let trick = "<p>Hello</p><div style='display:none'>cheap</div>";
    assert!(hidden(trick).is_some());
    assert!(hidden("<p>a</p><p style='color:#fff;background-color:#fff'>b</p>").is_some());
    assert_eq!(hidden("<p style='color:#fff;background-color:#000'>b</p>"), None);
}

#[test]
fn places_within_the_body_are_found() {
    assert_eq!(
        within_body("<html><body class=a><p>x</p></body></html>", "1", "2"),
        "<html><body class=a>1<p>x</p>2</body></html>"
    );
    assert_eq!(within_body("<p>x</p>", "1", "2"), "1<p>x</p>2");
    let marked = format!("<body><div>{FOOTER}</div></body>");
    assert_eq!(within_body(&marked, "", "2"), "<body><div>2</div></body>");
}

mod chance {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        /// Whatever stands in a file, it is read without a panic, and places lie on letters.
        #[test]
        fn nothing_panics(source in "(<[a-z!/-]{0,4}|[\"'= >{%}#&;-]|é|mj-text|href|<mjml>|<mj-body>|\\{\\{x\\}\\}|\r\n){0,40}") {
            for fault in check(&source, Html::Page) {
                prop_assert!(source.get(fault.range).is_some());
            }
            for fault in mjml(&source).1 {
                prop_assert!(source.get(fault.range).is_some());
            }
            prop_assert_eq!(readable(&source).len(), source.len());
            let _ = (plain(&source), see(&source), hidden(&source), safe_links(&source));
            let _ = (local_images(&source), markdown_images(&source), content_places(&source));
            if let Err(fault) = compose(&source, BARE) {
                prop_assert!(source.get(fault.range).is_some());
            }
        }
    }
}
