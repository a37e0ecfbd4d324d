use super::*;

fn options() -> Options {
    Options {
        server: vec!["127.0.0.1:1".to_owned()],
        key: None,
        key_file: None,
        timeout: Duration::from_secs(1),
    }
}

#[test]
fn flags_come_before_variables_and_both_before_the_local_file() {
    let env = || Some("env".to_owned());
    let file = || Some("env-file".to_owned());
    let flag = Options {
        key: Some("flag".to_owned()),
        ..options()
    };
    let flag_file = Options {
        key_file: Some("flag-file".into()),
        ..options()
    };
    let text = |text: &str| KeySource::Text(text.to_owned());
    let path = |path: &str| KeySource::File(path.into());
    assert_eq!(KeySource::choose(&flag, env(), file(), true), text("flag"));
    assert_eq!(
        KeySource::choose(&flag_file, env(), file(), true),
        path("flag-file")
    );
    assert_eq!(
        KeySource::choose(&options(), env(), file(), true),
        text("env")
    );
    assert_eq!(
        KeySource::choose(&options(), None, file(), true),
        path("env-file")
    );
    assert_eq!(
        KeySource::choose(&options(), None, None, true),
        path(LOCAL_KEY)
    );
    assert_eq!(
        KeySource::choose(&options(), None, None, false),
        KeySource::None
    );
}

#[test]
fn a_key_file_must_hold_a_key() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key");
    let read = |text: &str| {
        std::fs::write(&file, text).unwrap();
        KeySource::File(file.clone()).read()
    };
    assert_eq!(read("abc\n").unwrap().unwrap(), "abc");
    assert_eq!(read(" \n").unwrap_err().code(), crate::exit::Code::Usage);
    let odd = read("sec\u{1}ret\n").unwrap_err().to_string();
    assert!(!odd.contains("ret"), "{odd}");
    assert!(KeySource::File(dir.path().join("absent")).read().is_err());
}

#[test]
fn addresses_need_a_port_and_are_plain() {
    let fits = |text| endpoint(text, Duration::from_secs(1)).is_ok();
    assert!(fits("127.0.0.1:9181") && fits("http://localhost:1") && fits("[::1]:9181"));
    for text in ["localhost", "https://a:1", "a b:1", "", "http://"] {
        assert!(!fits(text), "{text}");
    }
}

#[test]
fn timeouts_are_positive_seconds() {
    assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
    for text in ["0", "-1", "x", "nan", "inf", "1e9"] {
        assert!(seconds(text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn all_addresses_that_are_down_are_named() {
    let options = Options {
        server: vec!["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()],
        key: Some("k".to_owned()),
        ..options()
    };
    let connection = Connection::open(&options).unwrap();
    let failure = connection
        .control(Retry::Safe, |_| async { Ok(()) })
        .await
        .unwrap_err();
    assert_eq!(failure.code(), crate::exit::Code::Unavailable);
    let text = failure.to_string();
    assert!(
        text.contains("127.0.0.1:1: ") && text.contains("127.0.0.1:2: "),
        "{text}"
    );
}

#[tokio::test]
async fn silence_is_told_as_such_and_a_write_may_have_been_done() {
    // Accepts connections, speaks HTTP/2 as far as the kernel does, and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let options = Options {
        server: vec![address],
        key: Some("k".to_owned()),
        timeout: Duration::from_millis(300),
        ..options()
    };
    let connection = Connection::open(&options).unwrap();
    let call = |retry| {
        connection.control(retry, |mut client| {
            let request = connection.request(weir_proto::control::ApplyRequest::default());
            async move { client.apply(request).await }
        })
    };
    let read = call(Retry::Safe).await.unwrap_err();
    assert_eq!(read.code(), crate::exit::Code::Unavailable);
    assert!(read.to_string().contains("no answer in time"), "{read}");
    let write = call(Retry::Unsent).await.unwrap_err();
    assert_eq!(write.code(), crate::exit::Code::Unavailable);
    assert!(write.to_string().contains("may have been done"), "{write}");
}
