//! Messages of earlier releases must decode for ever, and mean the same.
//!
//! `frozen/v1` has one sample of every message, and one more for each further variant of a oneof.
//! In a sample every field carries a value that is derived from its own name, so a field that
//! changed its number, its type or its place is found. Fields may be added: older samples do not
//! have them. `UPDATE_FROZEN=1` writes the samples that are missing and never changes one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "test code"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use prost_reflect::prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};

/// How deep samples nest; messages that contain each other end there.
const DEPTH: usize = 4;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen/v1")
}

/// Every message of ours that is not inside another one.
fn messages() -> Vec<MessageDescriptor> {
    let pool = DescriptorPool::decode(weir_proto::DESCRIPTORS).expect("descriptors");
    let mut messages: Vec<_> = pool
        .files()
        .filter(|file| file.package_name().starts_with("weir."))
        .flat_map(|file| file.messages().collect::<Vec<_>>())
        .collect();
    messages.sort_by_key(|message| message.full_name().to_owned());
    messages
}

/// Samples of a message, by file name: the first has the first variant of each oneof.
fn samples(message: &MessageDescriptor) -> Vec<(String, DynamicMessage)> {
    let mut samples = vec![(
        format!("{}.bin", message.full_name()),
        sample(message, None, 0),
    )];
    for oneof in message.oneofs() {
        for variant in oneof.fields().skip(1) {
            let name = format!("{}.{}.bin", message.full_name(), variant.name());
            samples.push((name, sample(message, Some(&variant), 0)));
        }
    }
    samples
}

fn sample(
    message: &MessageDescriptor,
    variant: Option<&FieldDescriptor>,
    depth: usize,
) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let chosen = match field.containing_oneof() {
            None => true,
            Some(oneof) => match variant {
                Some(variant) if variant.containing_oneof().as_ref() == Some(&oneof) => {
                    variant == &field
                }
                _ => oneof.fields().next().as_ref() == Some(&field),
            },
        };
        if chosen && let Some(value) = value(&field, depth) {
            filled.set_field(&field, value);
        }
    }
    filled
}

/// A value that is not the default and that no other field of the message has.
fn value(field: &FieldDescriptor, depth: usize) -> Option<Value> {
    let name = field.name();
    let number = name
        .bytes()
        .fold(7_u32, |hash, byte| hash.wrapping_mul(31) + u32::from(byte))
        % 1_000_000
        + 1;
    let one = match field.kind() {
        Kind::String => Value::String(name.to_owned()),
        Kind::Bytes => Value::Bytes(format!("{{\"{name}\":1}}").into_bytes().into()),
        Kind::Bool => Value::Bool(true),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::from(number)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number.cast_signed()),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(i64::from(number)),
        Kind::Double => Value::F64(f64::from(number)),
        Kind::Float => Value::F32(1.5),
        Kind::Enum(kind) => Value::EnumNumber(kind.values().map(|value| value.number()).max()?),
        Kind::Message(inner) => {
            if depth == DEPTH {
                return None;
            }
            Value::Message(sample(&inner, None, depth + 1))
        }
    };
    Some(if field.is_list() {
        Value::List(vec![one])
    } else {
        assert!(
            !field.is_map(),
            "{}: say what a map looks like",
            field.full_name()
        );
        one
    })
}

/// Checks that what a sample has is what today's message means by it.
fn same(path: &str, frozen: &DynamicMessage, expected: &DynamicMessage) {
    let unknown = frozen.unknown_fields().count();
    assert_eq!(
        unknown, 0,
        "{path}: {unknown} fields are not known any more"
    );
    for (field, value) in frozen.fields() {
        let path = format!("{path}.{}", field.name());
        let wanted = expected.get_field(&field);
        compare(&path, value, &wanted);
    }
}

fn compare(path: &str, frozen: &Value, expected: &Value) {
    match (frozen, expected) {
        (Value::Message(frozen), Value::Message(expected)) => same(path, frozen, expected),
        (Value::List(frozen), Value::List(expected)) => {
            assert_eq!(frozen.len(), expected.len(), "{path}");
            for (frozen, expected) in frozen.iter().zip(expected) {
                compare(path, frozen, expected);
            }
        }
        // New enum values only add a larger maximum.
        (Value::EnumNumber(frozen), Value::EnumNumber(expected)) => {
            assert!(frozen <= expected, "{path}: {frozen} is not known any more");
        }
        _ => assert_eq!(frozen, expected, "{path}"),
    }
}

#[test]
fn every_frozen_message_decodes_and_means_the_same() {
    let update = std::env::var_os("UPDATE_FROZEN").is_some();
    let mut names = BTreeSet::new();
    for message in messages() {
        for (name, expected) in samples(&message) {
            let path = folder().join(&name);
            if update && !path.exists() {
                std::fs::write(&path, expected.encode_to_vec()).expect("write the sample");
            }
            let bytes = std::fs::read(&path).unwrap_or_else(|error| {
                panic!("{name}: {error}; UPDATE_FROZEN=1 writes missing samples")
            });
            let frozen = DynamicMessage::decode(message.clone(), bytes.as_slice())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            same(&name, &frozen, &expected);
            names.insert(name);
        }
    }
    for entry in std::fs::read_dir(folder()).expect("samples") {
        let name = entry
            .expect("entry")
            .file_name()
            .to_string_lossy()
            .into_owned();
        assert!(names.contains(&name), "{name}: this message is gone");
    }
}

#[test]
fn generated_types_read_the_samples() {
    let read = |name: &str| std::fs::read(folder().join(name)).expect("a sample");
    let resource =
        weir_proto::resource::Resource::decode(read("weir.resource.v1.Resource.bin").as_slice())
            .unwrap();
    assert_eq!(resource.key.unwrap().kind, "kind");
    let subscribe =
        weir_proto::sync::Subscribe::decode(read("weir.sync.v1.Subscribe.bin").as_slice()).unwrap();
    assert_eq!(
        (subscribe.name.as_str(), subscribe.region.as_str()),
        ("name", "region")
    );
}

/// A control node of an earlier release gets a message of a later one.
#[test]
fn a_message_of_a_later_release_is_none_of_those_that_are_known() {
    // Field 15, an empty message.
    let later = weir_proto::sync::StreamRequest::decode([0x7a_u8, 0x00].as_slice()).unwrap();
    assert_eq!(later.message, None);
}
