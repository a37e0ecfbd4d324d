//! Finds and reads the files that `-f` names.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Document, Fault, MAX_BYTES, Parsed, gather, parse, parse_registries};
use crate::exit::Failure;

/// Directories deeper than this are not followed.
const MAX_DEPTH: usize = 32;

/// Reads all documents of files and directories; `-` is stdin. Directories are searched for
/// `.yaml`, `.yml` and `.json`, in the order of their names; hidden ones are left out. Notes are
/// for the operator to read.
///
/// # Errors
/// When something cannot be read, when documents are faulty (all faults of all files), or when
/// there is none.
pub fn read(paths: &[PathBuf]) -> Result<(Vec<Document>, Vec<String>), Failure> {
    read_by(parse, paths)
}

/// The same for files of registries: see [`parse_registries`].
///
/// # Errors
/// As [`read`].
pub fn read_registries(paths: &[PathBuf]) -> Result<(Vec<Document>, Vec<String>), Failure> {
    read_by(parse_registries, paths)
}

fn read_by(
    parse: impl Fn(&str, &[u8]) -> Result<Parsed, Vec<Fault>>,
    paths: &[PathBuf],
) -> Result<(Vec<Document>, Vec<String>), Failure> {
    let mut all = Parsed::default();
    let mut faults = Vec::new();
    for (name, bytes) in contents(paths)? {
        match parse(&name, &bytes) {
            Ok(parsed) => {
                all.documents.extend(parsed.documents);
                all.notes.extend(parsed.notes);
            }
            Err(more) => faults.extend(more),
        }
    }
    if !faults.is_empty() {
        return Err(Failure::Documents(faults));
    }
    if all.documents.is_empty() {
        let names: Vec<_> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(Failure::Declined(format!(
            "no documents in {}",
            names.join(", ")
        )));
    }
    let documents = gather(all.documents).map_err(Failure::Documents)?;
    Ok((documents, all.notes))
}

fn contents(paths: &[PathBuf]) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        if name == "-" {
            let bytes = bounded(&mut std::io::stdin().lock(), "stdin")?;
            found.push(("stdin".to_owned(), bytes));
            continue;
        }
        let meta = fs::metadata(path).map_err(|error| Failure::io(name.clone(), error))?;
        if meta.is_dir() {
            let mut files = Vec::new();
            search(path, 0, &mut files)?;
            for file in files {
                found.push(load(&file)?);
            }
        } else {
            found.push(load(path)?);
        }
    }
    Ok(found)
}

fn load(path: &Path) -> Result<(String, Vec<u8>), Failure> {
    let name = path.display().to_string();
    let mut file = fs::File::open(path).map_err(|error| Failure::io(name.clone(), error))?;
    let bytes = bounded(&mut file, &name)?;
    Ok((name, bytes))
}

/// One byte more than allowed, so that [`parse`] can tell that there is more.
fn bounded(reader: &mut dyn Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    reader
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io(name, error))?;
    Ok(bytes)
}

fn search(directory: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed = |error| Failure::io(directory.display().to_string(), error);
    if depth > MAX_DEPTH {
        return Err(Failure::Declined(format!(
            "{}: more than {MAX_DEPTH} directories deep",
            directory.display()
        )));
    }
    let mut entries = fs::read_dir(directory)
        .map_err(failed)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // Of links, only those to files are followed: one to a directory could lead in a circle.
        let own = entry.file_type().map_err(failed)?;
        if own.is_dir() {
            search(&path, depth + 1, files)?;
        } else if wanted(&path) && (own.is_file() || fs::metadata(&path).is_ok_and(|m| m.is_file()))
        {
            files.push(path);
        }
    }
    Ok(())
}

fn wanted(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
}
