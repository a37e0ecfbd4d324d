//! Headers of the PROXY protocol, read in the pieces that are asked for: never more than belongs to
//! the header, and within its bounds.
#![no_main]

use weir_proxy::proxy_protocol::{Progress, decode};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let mut taken = 0;
    while let Ok(Progress::More(more)) = decode(input.get(..taken).unwrap_or_default()) {
        assert!(more > 0, "nothing is asked for");
        taken += more;
        assert!(
            taken <= 4096 + 16,
            "more than a header may have is asked for"
        );
        if taken > input.len() {
            return;
        }
    }
});
