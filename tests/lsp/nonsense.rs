//! A client that sends nonsense is told so, and the server goes on; how it ends is as the
//! protocol says.

use serde_json::{Value, json};

use crate::client::{Editor, RULES, project};

#[test]
fn what_is_no_message_is_answered_with_an_error_and_the_next_one_is_heard() {
    let folder = project();
    let mut editor = Editor::new(folder.path());
    let huge = "x".repeat(17 * 1024 * 1024);
    let long = "y".repeat(5000);
    for (bytes, code) in [
        ("Content-Length: 5\r\n\r\n{\"a\":".to_owned(), -32700),
        ("Content-Length: 2\r\n\r\n[]".to_owned(), -32600),
        ("Content-Length: 4\r\n\r\nnull".to_owned(), -32600),
        ("Content-Length: many\r\n\r\n".to_owned(), -32700),
        ("Hello there\r\n\r\n".to_owned(), -32700),
        (format!("X: {long}\r\n\r\n"), -32700),
        (format!("Content-Length: {}\r\n\r\n{huge}", huge.len()), -32700),
    ] {
        editor.raw(bytes.as_bytes());
        let mut heard = editor.hear();
        while heard.get("error").is_none() {
            heard = editor.hear();
        }
        let start = &bytes[..bytes.len().min(40)];
        assert_eq!(
            (&heard["error"]["code"], &heard["id"]),
            (&json!(code), &Value::Null),
            "{start}"
        );
    }
    editor.open("rules/shop.kdl", RULES);
    assert_eq!(editor.codes("rules/shop.kdl"), [""; 0]);
    assert!(editor.leave().success());
}

#[test]
fn requests_that_make_no_sense_are_refused_each_by_its_number() {
    let folder = project();
    let mut editor = Editor::new(folder.path());
    editor.open("rules/shop.kdl", RULES);
    let file = json!({"uri": editor.uri("rules/shop.kdl")});
    for (method, params, code) in [
        ("textDocument/teleport", json!({}), -32601),
        ("textDocument/hover", Value::Null, -32602),
        ("textDocument/hover", json!({"textDocument": {"uri": 7}}), -32602),
        ("textDocument/hover", json!({"textDocument": {"uri": "untitled:1"}}), -32602),
        ("textDocument/hover", json!({"textDocument": {"uri": "file:///nowhere.kdl"}}), -32602),
        ("textDocument/hover", json!({"textDocument": file, "position": {"line": -1}}), -32602),
        ("textDocument/rename", json!({"textDocument": file}), -32602),
        ("textDocument/codeAction", json!({"textDocument": file}), -32602),
        ("initialize", json!({}), -32600),
    ] {
        assert_eq!(editor.ask(method, params)["error"]["code"], code, "{method}");
    }
    // Far behind the end of the file there is nothing, which is no fault.
    let far = json!({"line": 4_000_000_000_u32, "character": u32::MAX});
    let answer =
        editor.ask("textDocument/completion", json!({"textDocument": file, "position": far}));
    assert!(answer["result"]["items"].is_array());
    // Notifications are never answered, whatever they are.
    editor.tell("$/unheard-of", json!([1, 2]));
    editor.tell("textDocument/didChange", json!("what?"));
    assert!(editor.leave().success());
}

#[test]
fn a_request_that_was_taken_back_is_not_worked_on() {
    let folder = project();
    let mut editor = Editor::new(folder.path());
    // The cancellation is read ahead while the first question is worked on.
    editor.open("rules/shop.kdl", RULES);
    let file = json!({"textDocument": {"uri": editor.uri("rules/shop.kdl")}});
    let ids: Vec<i64> =
        (0..20).map(|_| editor.request("textDocument/documentSymbol", file.clone())).collect();
    let last = ids[19];
    editor.tell("$/cancelRequest", json!({"id": last}));
    for id in &ids[..19] {
        assert!(editor.answer(*id).get("result").is_some());
    }
    let answer = editor.answer(last);
    // It may have been quick enough; what counts is that there is one answer.
    assert!(answer["error"]["code"] == -32800 || answer.get("result").is_some(), "{answer}");
    assert!(editor.leave().success());
}

#[test]
fn the_server_ends_as_the_protocol_says() {
    let folder = project();
    // Before anything else there is `initialize`.
    let mut early = Editor::start(folder.path(), &["--stdio"]);
    assert_eq!(early.ask("shutdown", Value::Null)["error"]["code"], -32002);
    early.tell("exit", Value::Null);
    assert_eq!(early.end().code(), Some(1));
    // After `shutdown` nothing is answered any more, and `exit` is fine.
    let mut late = Editor::new(folder.path());
    assert_eq!(late.ask("shutdown", Value::Null)["result"], Value::Null);
    assert_eq!(late.ask("textDocument/hover", json!({}))["error"]["code"], -32600);
    late.tell("exit", Value::Null);
    assert_eq!(late.end().code(), Some(0));
    // An editor that crashed leaves half a message behind.
    let mut cut = Editor::new(folder.path());
    cut.raw(b"Content-Length: 999999\r\n\r\n{\"jsonrpc\":");
    assert_eq!(cut.end().code(), Some(1));
    let hasty = Editor::new(folder.path());
    assert_eq!(hasty.end().code(), Some(1));
}
