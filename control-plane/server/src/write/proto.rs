//! Protocol buffer definitions are compiled when they are written.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use protox::file::GoogleFileResolver;
use protox::file::{ChainFileResolver, DescriptorSetFileResolver, File, FileResolver};
use protox::{Compiler, Error};
use serde_json::Value;
use weir_model::Problem;

/// Name that the definition has while it is compiled.
const NAME: &str = "content.proto";
/// Deepest nesting of brackets: the compiler descends once for each.
const DEEPEST: usize = 64;

/// Compiles `content`: the text of a `.proto`, or a base64 descriptor set.
///
/// # Errors
/// `invalid content: ...`, at `content`.
pub(super) fn check(spec: &Value) -> Result<(), Problem> {
    let content = spec.get("content").and_then(Value::as_str).unwrap_or("");
    if is_descriptor_set(content) {
        return Ok(());
    }
    compile(content).map_err(|text| Problem::new("content", format!("invalid content: {text}")))
}

fn is_descriptor_set(content: &str) -> bool {
    let bytes = STANDARD.decode(content.trim());
    bytes.is_ok_and(|bytes| DescriptorSetFileResolver::decode(bytes.as_slice()).is_ok())
}

fn compile(content: &str) -> Result<(), String> {
    if depth(content) > DEEPEST {
        return Err(format!("nested deeper than {DEEPEST} levels"));
    }
    let mut resolver = ChainFileResolver::new();
    resolver.add(Definition(content.to_owned()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    match compiler.open_file(NAME) {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// How deep brackets are nested; those in comments and texts count too.
fn depth(content: &str) -> usize {
    let mut deepest = 0_usize;
    let mut open = 0_usize;
    for byte in content.bytes() {
        match byte {
            b'{' | b'[' | b'(' | b'<' => open += 1,
            b'}' | b']' | b')' | b'>' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// The definition as the compiler's only file besides the well-known ones.
struct Definition(String);

impl FileResolver for Definition {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        if name == NAME {
            File::from_source(name, &self.0)
        } else {
            Err(Error::file_not_found(name))
        }
    }
}
