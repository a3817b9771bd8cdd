//! How a new project depends on Leasebox: by path from a checkout of its repository, else by version.

use std::path::{Component, Path, PathBuf};

/// More steps up than this, and the absolute path says more.
const NEAR: usize = 3;

/// The value of the dependency in a manifest that lies in `folder`.
pub(super) fn leasebox(folder: &Path) -> String {
    dependency(Path::new(env!("CARGO_MANIFEST_DIR")), folder)
}

/// The same for this crate being compiled in `compiled`.
pub(super) fn dependency(compiled: &Path, folder: &Path) -> String {
    let crate_folder = compiled.parent().filter(|leasebox| {
        !is_registry(compiled) && leasebox.join("Cargo.toml").is_file() && leasebox.join("src/lib.rs").is_file()
    });
    match crate_folder {
        Some(crate_folder) => format!("{{ path = {} }}", quoted(written(crate_folder, folder))),
        None => quoted(env!("CARGO_PKG_VERSION")),
    }
}

/// Whether cargo keeps this folder for what it has fetched from a registry: `registry/src/INDEX/CRATE`.
fn is_registry(path: &Path) -> bool {
    let names: Vec<_> = path.components().map(Component::as_os_str).collect();
    names.windows(2).any(|pair| pair == ["registry", "src"])
}

/// The path from one folder to another when they lie near each other, else as it is.
fn written(to: &Path, from: &Path) -> PathBuf {
    let common = to.components().zip(from.components()).take_while(|(one, other)| one == other);
    let shared: Vec<_> = common.map(|(component, _)| component).collect();
    let up = from.components().count() - shared.len();
    if up > NEAR || !shared.iter().any(|component| matches!(component, Component::Normal(_))) {
        return to.to_owned();
    }
    let down = to.components().skip(shared.len());
    std::iter::repeat_n(Component::ParentDir, up).chain(down).collect()
}

/// As a string of TOML; a path with `/`, which cargo takes everywhere.
fn quoted(text: impl AsRef<Path>) -> String {
    let text = text.as_ref().to_string_lossy();
    let text = if cfg!(windows) { text.replace('\\', "/") } else { text.replace('\\', "\\\\") };
    format!("\"{}\"", text.replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_checkout_is_depended_on_by_path_and_what_was_published_by_version() {
        let folder = tempfile::tempdir().unwrap();
        let checkout = folder.path().join("checkout");
        let registry = folder.path().join("registry/src/index-1");
        for root in [&checkout, &registry] {
            fs::create_dir_all(root.join("leasebox/src")).unwrap();
            fs::write(root.join("leasebox/Cargo.toml"), "").unwrap();
            fs::write(root.join("leasebox/src/lib.rs"), "").unwrap();
        }
        let version = format!("\"{}\"", env!("CARGO_PKG_VERSION"));
        let compiled = checkout.join("leasebox/local");
        assert_eq!(dependency(&compiled, &folder.path().join("shop")), "{ path = \"../checkout/leasebox\" }");
        assert_eq!(dependency(&compiled, &checkout.join("shop")), "{ path = \"../leasebox\" }");
        let far = format!("{{ path = \"{}\" }}", checkout.join("leasebox").display());
        assert_eq!(dependency(&compiled, &folder.path().join("a/b/c/shop")), far);
        assert_eq!(dependency(&compiled, Path::new("/elsewhere/shop")), far);
        assert_eq!(dependency(&registry.join("leasebox/local"), &folder.path().join("shop")), version);
        assert_eq!(dependency(&folder.path().join("gone/leasebox/local"), &folder.path().join("shop")), version);
    }

    #[test]
    fn a_path_is_a_string_of_toml() {
        assert_eq!(quoted("a \"b\""), r#""a \"b\"""#);
    }
}
