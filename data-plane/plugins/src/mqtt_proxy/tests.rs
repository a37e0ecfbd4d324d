use proptest::prelude::*;
use serde_json::{Value, json};
use weir_plugin_api::testkit::{self, FakeHost};

use super::connect::{Connect, Fault, read};
use super::*;

/// A CONNECT packet.
fn packet(protocol: &str, level: u8, properties: &[u8], id: &[u8]) -> Vec<u8> {
    let text = |text: &[u8]| [&(text.len() as u16).to_be_bytes()[..], text].concat();
    let mut body = [text(protocol.as_bytes()), vec![level, 2, 0, 60]].concat();
    if level >= 5 {
        body.push(properties.len() as u8);
        body.extend_from_slice(properties);
    }
    body.extend(text(id));
    // Of a length below 2^14.
    let length = [(body.len() & 0x7f) as u8 | 0x80, (body.len() >> 7) as u8];
    [&[0x10][..], &length, &body].concat()
}

fn plugin(mut config: Value) -> Result<Compiled, String> {
    let schema: Value = serde_json::from_str(MqttProxy::SCHEMA).unwrap();
    weir_model::schema::check(&schema, &mut config).unwrap();
    let config = serde_json::from_value(config).unwrap();
    MqttProxy::compile(config, &CompileContext::dry())
}

fn stream() -> StreamContext {
    let head = testkit::stream("10.0.0.1:5000", "127.0.0.1:1883");
    StreamContext::new(head, FakeHost::shared())
}

#[test]
fn the_identifier_is_found_as_soon_as_it_has_come() {
    for (level, properties) in [(4, &[][..]), (5, &[0x11, 0, 0, 0, 10]), (5, &[])] {
        let packet = packet("MQTT", level, properties, b"sensor-7");
        let connect = Connect {
            protocol: b"MQTT",
            level,
            client_id: "sensor-7",
        };
        for known in 0..packet.len() {
            assert_eq!(read(&packet[..known]), Err(Fault::Incomplete), "{known}");
        }
        assert_eq!(read(&packet), Ok(connect));
    }
}

#[test]
fn what_is_no_connect_is_told_apart() {
    let good = packet("MQTT", 4, &[], b"id");
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    for (bytes, fault) in [
        (b"GET / HTTP/1.1\r\n".to_vec(), Fault::Other),
        (changed(0, 0x30), Fault::Other),
        (changed(0, 0x11), Fault::Other),
        (vec![0x10, 0xff, 0xff, 0xff, 0xff, 0], Fault::Malformed),
        // The packet ends before its parts do.
        (
            vec![0x10, 5, 0, 4, b'M', b'Q', b'T', b'T'],
            Fault::Malformed,
        ),
        (changed(3, 0xff), Fault::Malformed),
        (packet("MQTT", 4, &[], b"\xff\xfe"), Fault::Malformed),
    ] {
        assert_eq!(read(&bytes), Err(fault), "{bytes:02x?}");
    }
}

#[test]
fn clients_of_another_protocol_or_level_are_refused() {
    let refused = StreamStep::Refuse(503);
    for (config, packet, expected) in [
        (
            json!({"protocol_level": 4}),
            packet("MQTT", 4, &[], b"a"),
            StreamStep::Continue,
        ),
        (
            json!({"protocol_level": 4}),
            packet("MQTT", 5, &[], b"a"),
            refused,
        ),
        (
            json!({"protocol_level": 3, "protocol_name": "MQIsdp"}),
            packet("MQIsdp", 3, &[], b"a"),
            StreamStep::Continue,
        ),
        (
            json!({"protocol_level": 4}),
            packet("MQIsdp", 4, &[], b"a"),
            refused,
        ),
    ] {
        let mut stream = stream();
        stream.front.extend_from_slice(&packet);
        let step = plugin(config.clone()).unwrap().preread(&mut stream);
        assert_eq!(step, expected, "{config}");
        let known = if expected == StreamStep::Continue {
            "a"
        } else {
            ""
        };
        assert_eq!(stream.mqtt_client_id, known);
    }
}

#[test]
fn more_is_read_until_it_is_too_much() {
    let plugin = plugin(json!({"protocol_level": 4})).unwrap();
    let mut stream = stream();
    assert_eq!(plugin.preread(&mut stream), StreamStep::Read);
    let packet = packet("MQTT", 4, &[], &[b'a'; MOST]);
    stream.front.extend_from_slice(&packet[..MOST - 1]);
    assert_eq!(plugin.preread(&mut stream), StreamStep::Read);
    stream.front.extend_from_slice(&packet[MOST - 1..MOST]);
    assert_eq!(plugin.preread(&mut stream), StreamStep::Refuse(503));
}

#[test]
fn a_level_that_no_packet_can_have_is_refused() {
    let error = plugin(json!({"protocol_level": 256})).err().unwrap();
    assert_eq!(error, "protocol_level: expected 0 to 255, got 256");
}

proptest! {
    /// Whatever comes, reading ends, and more bytes never make a verdict worse than `Incomplete`
    /// into another one than they would have had at once.
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..64), cut in 0_usize..64) {
        let mut bytes = bytes;
        if let Some(first) = bytes.first_mut() {
            *first = 0x10;
        }
        let front = &bytes[..cut.min(bytes.len())];
        match read(front) {
            Err(Fault::Incomplete) => {}
            known => prop_assert_eq!(known, read(&bytes)),
        }
    }
}
