//! Many requests for one answer.

use futures_util::FutureExt;

use super::*;

fn waits(bed: &Bed, context: &mut Context) -> bool {
    match bed.plugin.access(context) {
        Step::Wait(future) => future.now_or_never().is_none(),
        _ => false,
    }
}

#[tokio::test]
async fn requests_for_the_same_answer_wait_for_the_first() {
    let bed = Bed::new(json!({}));
    let mut first = get("/").context(&bed.host);
    assert!(enter(&bed.plugin, &mut first).is_none());
    let mut second = get("/").context(&bed.host);
    let Step::Wait(mut waiting) = bed.plugin.access(&mut second) else {
        panic!("it does not wait");
    };
    assert!((&mut waiting).now_or_never().is_none());
    // Another answer waits for nobody, and neither do those who ask for something else.
    assert!(!waits(&bed, &mut get("/b").context(&bed.host)));
    assert!(!waits(
        &bed,
        &mut get("/").method("HEAD").context(&bed.host)
    ));
    assert!(!waits(
        &bed,
        &mut get("/").with("range", "bytes=0-1").context(&bed.host)
    ));
    bed.node(&mut first, says("one"));
    match waiting.await {
        Step::Respond(response) => assert_eq!(response.body, Body::Text("one".into())),
        _ => panic!("it is not answered"),
    }
}

#[tokio::test]
async fn nobody_waits_for_a_first_that_left_or_is_not_kept() {
    let bed = Bed::new(json!({}));
    for kept in [false, true] {
        let mut first = get("/").context(&bed.host);
        assert!(enter(&bed.plugin, &mut first).is_none());
        let mut second = get("/").context(&bed.host);
        let Step::Wait(waiting) = bed.plugin.access(&mut second) else {
            panic!("it does not wait");
        };
        if kept {
            bed.node(&mut first, says("one").with("set-cookie", "a=b"));
        } else {
            drop(first);
        }
        assert!(matches!(waiting.await, Step::Continue));
    }
    // It turned out that the answers are not kept: all go at once for a while.
    let mut contexts = [(); 3].map(|()| get("/").context(&bed.host));
    for context in &mut contexts {
        assert!(!waits(&bed, context));
    }
}

#[test]
fn while_one_fetches_the_others_have_the_stale_answer() {
    let bed = Bed::new(json!({"cache_control": true}));
    let node = |body| says(body).with("cache-control", "max-age=5, stale-while-revalidate=10");
    bed.ask(get("/"), node("one"));
    bed.later(8);
    let mut first = get("/").context(&bed.host);
    assert!(enter(&bed.plugin, &mut first).is_none());
    let second = bed.ask(get("/"), node("x"));
    assert_eq!(
        (second.cache(), &*second.body),
        ("STALE", b"one".as_slice())
    );
    assert_eq!(bed.node(&mut first, node("two")).cache(), "EXPIRED");
    assert_eq!(bed.ask(get("/"), node("x")).body, "two");
}
