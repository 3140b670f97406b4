use super::vectors::{bytes, list, load, load_ordered};
use portcullis_pomelo::wire::dictionary::Dictionary;
use portcullis_pomelo::wire::handshake::{
    Cache, Dict, FAILED, Family, OLD_CLIENT, Protobuf, Request, Response, refusal,
};
use portcullis_pomelo::wire::package::{Kind, read};
use portcullis_pomelo::wire::protobuf::{Protos, version};
use serde_json::{Value, json};

/// The dictionary and schemas of the recorded server.
struct Recorded {
    dictionary: Dictionary,
    client: Protos,
    server: Protos,
}

impl Recorded {
    fn new() -> Self {
        let flows = load("flows-handshake.json");
        let flow = list(&flows, "flows").iter().find(|flow| flow["name"] == "dict-and-protobuf").unwrap();
        let response = &list(flow, "steps")[1]["decoded"]["json"]["sys"];
        let codes = response["codeToRoute"].as_object().unwrap();
        let mut routes: Vec<(u16, String)> = codes
            .iter()
            .map(|(code, route)| (code.parse().unwrap(), route.as_str().unwrap().to_owned()))
            .collect();
        routes.sort();
        let (handlers, pushes): (Vec<_>, Vec<_>) =
            routes.into_iter().map(|(_, route)| route).partition(|route| route.split('.').count() == 3);
        let example = load_ordered("codec-protobuf.json");
        let parse = |name| Protos::parse(&example.at("file_example").at(name).json()).unwrap();
        Self {
            dictionary: Dictionary::new(handlers.into_iter().rev(), &pushes).unwrap(),
            client: parse("clientProtos"),
            server: parse("serverProtos"),
        }
    }

    /// What a server of this configuration answers.
    fn answer(&self, server: &Value, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let Ok(request) = Request::read(body) else {
            refusal(FAILED, &mut out);
            return out;
        };
        if server.get("checkClient").is_some() && request.sys.version.as_deref() == Some("0.0.0-old") {
            refusal(OLD_CLIENT, &mut out);
            return out;
        }
        let rejected = request.user.as_ref().is_some_and(|user| user["reject"] == true);
        if rejected || (server["useCrypto"] == true && !request.sys.rsa) {
            refusal(FAILED, &mut out);
            return out;
        }
        let user = server.get("user_handshake").map(|_| match &request.user {
            Some(user) => json!({ "hello": "from server", "you": user }),
            None => json!({ "hello": "from server" }),
        });
        let (none, heartbeat) =
            (Protos::default(), server["heartbeat"].as_u64().map(|seconds| seconds as u32));
        let dictionary = (server["useDict"] == true).then_some(&self.dictionary);
        let protos = match &server["useProtobuf"] {
            Value::Bool(true) => Some((&self.client, &self.server)),
            Value::String(_) => Some((&none, &none)),
            _ => None,
        };
        Cache::new(heartbeat, dictionary, protos, Some("json")).write(&request, user.as_ref(), &mut out);
        out
    }
}

#[test]
fn every_recorded_handshake_is_answered_to_the_byte() {
    let recorded = Recorded::new();
    let mut answered = 0;
    for flow in list(&load("flows-handshake.json"), "flows") {
        let steps = list(flow, "steps");
        let request = bytes(&steps[0], "hex");
        // One flow pipelines more packages behind the first.
        let len = 4 + usize::from(u16::from_be_bytes([request[2], request[3]]));
        let (kind, body) = read(&request[..len]).unwrap();
        assert_eq!(kind, Kind::Handshake);
        let expected = bytes(&steps[1], "hex");
        let (_, expected) = read(&expected).unwrap();
        let got = recorded.answer(&flow["server"], body);
        assert_eq!(String::from_utf8_lossy(&got), String::from_utf8_lossy(expected), "{}", flow["name"]);
        answered += 1;
    }
    assert!(answered >= 16);
}

#[test]
fn responses_to_real_clients_are_those_they_understood() {
    let recorded = Recorded::new();
    for (file, server) in [
        ("capture-tcp-dict-libpomelo2.json", json!({ "heartbeat": 3, "useDict": true })),
        (
            "capture-tcp-dict-protobuf-official-js.json",
            json!({ "heartbeat": 3, "useDict": true, "useProtobuf": true }),
        ),
        ("capture-tcp-json-libpitaya.json", json!({ "heartbeat": 3, "user_handshake": "" })),
        ("capture-tcp-json-official-js.json", json!({ "heartbeat": 3, "user_handshake": "" })),
    ] {
        let capture = load(file);
        let events = list(&list(&capture, "connections")[0], "events");
        let (request, response) = (bytes(&events[0], "hex"), bytes(&events[1], "hex"));
        let (_, body) = read(&request).unwrap();
        let (_, expected) = read(&response).unwrap();
        let mut got: Value = serde_json::from_slice(&recorded.answer(&server, body)).unwrap();
        let expected: Value = serde_json::from_slice(expected).unwrap();
        if Request::read(body).unwrap().family() == Family::Pitaya {
            assert_eq!(got["sys"]["serializer"], "json");
            got["sys"].as_object_mut().unwrap().remove("serializer");
        }
        if file.contains("dict") {
            // Another server type, with other user data.
            got.as_object_mut().unwrap().remove("user");
            let mut expected = expected.clone();
            expected.as_object_mut().unwrap().remove("user");
            for key in ["heartbeat", "useDict", "useProto"] {
                assert_eq!(got["sys"][key], expected["sys"][key], "{file}");
            }
            let names = |value: &Value| value["sys"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
            assert_eq!(names(&got), names(&expected), "{file}");
        } else {
            assert_eq!(got, expected, "{file}");
        }
    }
}

#[test]
fn clients_are_told_apart_by_what_they_say() {
    for (sys, family) in [
        (json!(1), Family::Minimal),
        (json!("x"), Family::Minimal),
        (json!([]), Family::Minimal),
        (json!({}), Family::Minimal),
        (json!({ "type": null, "version": {} }), Family::Minimal),
        (json!({ "type": "js-websocket" }), Family::Pomelo),
        (json!({ "version": 1 }), Family::Pomelo),
        (json!({ "libVersion": "4.6.3" }), Family::Pitaya),
        (json!({ "libVersion": "4.6.3", "type": "x", "version": "y" }), Family::Pitaya),
    ] {
        let body = json!({ "sys": sys }).to_string();
        assert_eq!(Request::read(body.as_bytes()).unwrap().family(), family, "{body}");
    }
}

#[test]
fn a_handshake_without_a_true_sys_is_refused() {
    let falsy = ["null", "false", "0", "-0.0", r#""""#].map(|sys| format!(r#"{{"sys":{sys}}}"#));
    let others =
        ["", "null", "1", "[]", r#""sys""#, "{}", r#"{"user":{}}"#, "{\"sys\":", "{\"sys\":1}x", "\u{0}"];
    for body in falsy.iter().map(String::as_str).chain(others) {
        assert!(Request::read(body.as_bytes()).is_err(), "{body}");
    }
}

#[test]
fn everything_a_client_says_is_kept() {
    let body = json!({
        "sys": {
            "platform": "linux", "libVersion": "4.6.3", "clientBuildNumber": 20, "clientVersion": "2.1",
            "type": "t", "version": 2, "protoVersion": "p", "dictVersion": "d", "rsa": {}, "other": [1]
        },
        "user": { "token": "abc" }
    });
    let request = Request::read(body.to_string().as_bytes()).unwrap();
    let sys = &request.sys;
    let some = |text: &str| Some(text.to_owned());
    assert_eq!((&sys.platform, &sys.lib_version), (&some("linux"), &some("4.6.3")));
    assert_eq!((&sys.client_build_number, &sys.client_version), (&some("20"), &some("2.1")));
    assert_eq!((&sys.kind, &sys.version), (&some("t"), &some("2")));
    assert_eq!((&sys.proto_version, &sys.dict_version), (&some("p"), &some("d")));
    assert!(sys.rsa);
    assert_eq!(request.user, Some(json!({ "token": "abc" })));
}

#[test]
fn texts_of_the_official_clients_are_joined() {
    let request = Request::read(b"{\"sys\":1,\"user\":\"\xed\xa0\xbd\xed\xb8\x80\"}").unwrap();
    assert_eq!(request.user, Some(json!("😀")));
    let mut out = Vec::new();
    Response { user: request.user.as_ref(), ..Response::default() }.write(&mut out);
    assert_eq!(out, br#"{"code":200,"sys":{},"user":"\ud83d\ude00"}"#);
}

#[test]
fn pitaya_and_clients_that_say_nothing_are_never_offered_codes_or_schemas() {
    let Recorded { dictionary, client, server } = Recorded::new();
    let cache = Cache::new(Some(3), Some(&dictionary), Some((&client, &server)), Some("json"));
    let sys = |sys: Value| {
        let request = Request::read(json!({ "sys": sys }).to_string().as_bytes()).unwrap();
        String::from_utf8(cache.sys(request.family(), cache.kept(&request)).to_vec()).unwrap()
    };
    assert_eq!(sys(json!({ "libVersion": "1" })), r#"{"heartbeat":3,"serializer":"json"}"#);
    assert_eq!(sys(json!({})), r#"{"heartbeat":3}"#);
    assert!(sys(json!({ "type": "js" })).contains(r#""useDict":true,"protos":{"#));
}

#[test]
fn the_cache_writes_what_a_response_writes() {
    let Recorded { dictionary, client, server } = Recorded::new();
    let (dict_version, proto_version) = (dictionary.version(), version(&client, &server));
    let cache = Cache::new(Some(3), Some(&dictionary), Some((&client, &server)), None);
    for (dict_known, protos_known) in [(false, false), (true, false), (false, true), (true, true)] {
        let request = json!({ "sys": {
            "type": "t",
            "dictVersion": if dict_known { dict_version } else { "old" },
            "protoVersion": if protos_known { json!(proto_version) } else { json!(0) },
        }});
        let request = Request::read(request.to_string().as_bytes()).unwrap();
        let (mut cached, mut written) = (Vec::new(), Vec::new());
        cache.write(&request, None, &mut cached);
        Response {
            heartbeat: Some(3),
            dictionary: Some(Dict { dictionary: &dictionary, known: dict_known }),
            protos: Some(Protobuf {
                client: &client,
                server: &server,
                version: &proto_version,
                known: protos_known,
            }),
            ..Response::default()
        }
        .write(&mut written);
        assert_eq!(cached, written);
        let json: Value = serde_json::from_slice(&cached).unwrap();
        assert_eq!(json["sys"].get("dict").is_none(), dict_known);
        assert_eq!(json["sys"].get("protos").is_none(), protos_known);
    }
}

#[test]
fn a_heartbeat_of_0_is_none() {
    let mut out = Vec::new();
    Response { heartbeat: Some(0), ..Response::default() }.write(&mut out);
    assert_eq!(out, br#"{"code":200,"sys":{}}"#);
}
