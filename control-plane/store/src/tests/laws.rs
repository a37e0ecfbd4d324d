//! Laws that hold for every sequence of commands.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};
use weir_model::{Key, Kind};

use crate::index::Index;
use crate::{
    Change, Command, Operation, Outcome, Precondition, State, Target, apply, decode, delta, encode,
    state_hash,
};

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![
        Kind::Upstream,
        Kind::Service,
        Kind::Route,
        Kind::Consumer,
        Kind::Credential,
        Kind::GlobalRule,
    ])
}

/// Few ids, so that commands meet.
fn id() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "a/x", "b/x", "/", ""]).prop_map(str::to_owned)
}

fn spec() -> impl Strategy<Value = Value> {
    let number = any::<f64>().prop_map(|number| json!({"weight": number}));
    let text = prop::sample::select(vec!["a", "b"]);
    prop_oneof![
        Just(json!({})),
        Just(Value::Null),
        Just(json!([1])),
        number,
        text.clone().prop_map(|id| json!({"upstream_id": id})),
        text.clone()
            .prop_map(|id| json!({"service_id": id, "upstream_id": 1})),
        text.clone()
            .prop_map(|id| json!({"plugins": {"key-auth": {"key": id}}})),
        text.prop_map(|id| json!({"plugins": {id: {}}})),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let target = prop_oneof![
        8 => (kind(), id()).prop_map(|(kind, id)| Target::Key(Key::new(kind, id))),
        1 => kind().prop_map(Target::New),
    ];
    let operation = prop_oneof![
        3 => (spec(), option::of(0..20_u64)).prop_map(|(spec, expires_at_ms)| Operation::Put {
            spec: spec.into(),
            expires_at_ms,
        }),
        1 => any::<bool>().prop_map(|force| Operation::Delete { force }),
    ];
    let precondition = prop_oneof![
        8 => Just(Precondition::None),
        1 => Just(Precondition::Absent),
        1 => Just(Precondition::Present),
        1 => (0..10_u64).prop_map(Precondition::Modified),
    ];
    (target, operation, precondition).prop_map(|(target, operation, precondition)| Change {
        target,
        operation,
        precondition,
    })
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        8 => (vec(change(), 0..4), any::<u64>()).prop_map(|(changes, at_ms)| Command::Write {
            changes,
            at_ms,
            author: String::new(),
            message: String::new(),
        }),
        1 => (0..20_u64).prop_map(|at_ms| Command::Expire { at_ms }),
        1 => Just(Command::Bootstrap { cluster_id: "c".to_owned() }),
    ]
}

/// The states after each command; log indexes have gaps.
fn run(commands: &[Command]) -> Vec<State> {
    let mut state = State::default();
    let mut states = vec![state.clone()];
    for (position, command) in commands.iter().enumerate() {
        apply(&mut state, 1 + 2 * position as u64, command.clone());
        states.push(state.clone());
    }
    states
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn snapshot_and_delta_give_the_later_snapshot(commands in vec(command(), 1..25)) {
        let states = run(&commands);
        let last = states.last().unwrap();
        for earlier in &states {
            let delta = delta(last, earlier.set.revision);
            prop_assert_eq!(&earlier.set.with(&delta), &last.set);
        }
    }

    #[test]
    fn the_same_log_gives_the_same_bytes(commands in vec(command(), 1..25)) {
        // One member took the commands, the other read them from the wire.
        let wire: Vec<Command> = commands
            .iter()
            .map(|command| {
                serde_json::from_slice(&serde_json::to_vec(command).unwrap()).unwrap()
            })
            .collect();
        let one = run(&commands).pop().unwrap();
        let other = run(&wire).pop().unwrap();
        prop_assert_eq!(encode(&one), encode(&other));
    }

    #[test]
    fn a_snapshot_loads_as_it_was(commands in vec(command(), 1..25)) {
        let state = run(&commands).pop().unwrap();
        let loaded = decode(&encode(&state)).unwrap();
        prop_assert_eq!(&loaded.set, &state.set);
        prop_assert_eq!(&loaded.changes, &state.changes);
        prop_assert_eq!(&loaded.index, &state.index);
        prop_assert_eq!(state_hash(&loaded), state_hash(&state));
    }

    #[test]
    fn the_index_is_what_the_resources_say(commands in vec(command(), 1..25)) {
        let state = run(&commands).pop().unwrap();
        let mut index = Index::default();
        for resource in state.set.resources.values() {
            index.insert(resource);
        }
        prop_assert_eq!(index, state.index);
    }

    #[test]
    fn a_refused_command_changes_nothing(commands in vec(command(), 1..25), last in command()) {
        let mut state = run(&commands).pop().unwrap();
        let before = encode(&state);
        let revision = state.set.revision;
        match apply(&mut state, 1_000, last) {
            Outcome::Refused { revision: told, .. } => {
                prop_assert_eq!(told, revision);
                prop_assert_eq!(encode(&state), before);
            }
            Outcome::Done { revision: told, .. } => {
                prop_assert_eq!(told, state.set.revision);
                prop_assert_eq!(told != revision, encode(&state) != before);
            }
        }
    }

    #[test]
    fn bytes_that_are_no_snapshot_are_refused(bytes in vec(any::<u8>(), 0..300)) {
        prop_assert!(decode(&bytes).is_err());
    }
}
