//! Proto objects: the text of a `.proto`, or a base64 descriptor set, compiled.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::DescriptorPool;
use protox::file::GoogleFileResolver;
use protox::file::{ChainFileResolver, File, FileResolver};
use protox::{Compiler, Error};

/// Name that the definition has while it is compiled.
const NAME: &str = "content.proto";
/// Deepest nesting of brackets: the compiler descends once for each.
const DEEPEST: usize = 64;

/// Compiles the content of a proto object.
///
/// # Errors
/// What is wrong with it.
pub fn compile(content: &str) -> Result<DescriptorPool, String> {
    if let Some(set) = descriptor_set(content) {
        return Ok(set);
    }
    if depth(content) > DEEPEST {
        return Err(format!("nested deeper than {DEEPEST} levels"));
    }
    let mut resolver = ChainFileResolver::new();
    resolver.add(Definition(content.to_owned()));
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    match compiler.open_file(NAME) {
        Ok(compiler) => Ok(compiler.descriptor_pool()),
        Err(error) => Err(error.to_string()),
    }
}

fn descriptor_set(content: &str) -> Option<DescriptorPool> {
    let bytes = STANDARD.decode(content.trim()).ok()?;
    if let Ok(pool) = DescriptorPool::decode(bytes.as_slice()) {
        return Some(pool);
    }
    // A set without the well-known files that it imports.
    let mut pool = DescriptorPool::global();
    pool.decode_file_descriptor_set(bytes.as_slice()).ok()?;
    Some(pool)
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
