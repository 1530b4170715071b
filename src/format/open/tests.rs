//! Layouts on disk: what is found, what is left aside, what is refused.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::model::dtype::Dtype;
use crate::model::warning::Warning;

/// A safetensors file of U8 tensors with these names and bytes, written by the reference crate.
fn weights(tensors: &[(&str, &[u8])]) -> Vec<u8> {
    use ::safetensors::tensor::{Dtype, TensorView, serialize};
    let views = tensors.iter().map(|(name, bytes)| {
        (
            *name,
            TensorView::new(Dtype::U8, vec![bytes.len()], bytes).unwrap(),
        )
    });
    serialize(views, None).unwrap()
}

fn index_of(map: &[(&str, &str)]) -> String {
    let entries: Vec<String> = map
        .iter()
        .map(|(tensor, file)| format!("\"{tensor}\":\"{file}\""))
        .collect();
    format!(
        "{{\"metadata\":{{\"total_size\":1}},\"weight_map\":{{{}}}}}",
        entries.join(",")
    )
}

struct Tree(tempfile::TempDir);

impl Tree {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
        self
    }

    #[cfg(unix)]
    fn link(&self, target: &str, name: &str) -> &Self {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, self.path(name)).unwrap();
        self
    }

    fn open(&self, name: &str) -> Checkpoint {
        let opened = open_checkpoint(&self.path(name), Io::Mmap).unwrap();
        assert_eq!(opened.sources.len(), opened.checkpoint.files.len());
        assert!(
            opened
                .checkpoint
                .tensors
                .is_sorted_by(|a, b| a.name.as_bytes() < b.name.as_bytes())
        );
        assert!(opened.checkpoint.files.is_sorted_by(|a, b| a.name < b.name));
        for tensor in &opened.checkpoint.tensors {
            let len = usize::try_from(tensor.bytes).unwrap();
            opened
                .bytes_of(tensor)
                .bytes(0, len, &mut Vec::new())
                .unwrap();
        }
        opened.checkpoint
    }

    /// The error of opening `name`, without the path of the tree.
    fn error(&self, name: &str) -> String {
        let text = open_checkpoint(&self.path(name), Io::Read)
            .err()
            .unwrap()
            .to_string();
        text.replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn names(checkpoint: &Checkpoint) -> Vec<&str> {
    checkpoint
        .tensors
        .iter()
        .map(|tensor| tensor.name.as_str())
        .collect()
}

fn set(prefix: &str, files: WeightFiles) -> WeightSet {
    WeightSet {
        prefix: prefix.to_owned(),
        files,
    }
}

/// A set of one file.
fn one(prefix: &str, file: &str) -> WeightSet {
    set(prefix, WeightFiles::One(file.to_owned()))
}

fn codes(checkpoint: &Checkpoint) -> Vec<&str> {
    checkpoint.warnings.iter().map(Warning::code).collect()
}

#[test]
fn a_directory_with_one_file() {
    let tree = Tree::new();
    tree.put(
        "m/model.safetensors",
        weights(&[("b", &[1, 2]), ("a", &[3])]),
    )
    .put(
        "m/config.json",
        r#"{"model_type":"llama","_name_or_path":"org/Base-7B/"}"#,
    )
    .put("m/README.md", "---\nbase_model: org/Root\n---\n")
    .put("m/training_args.bin", "x")
    .put("m/model.fp16.safetensors", "not looked at");
    let found = tree.open("m");
    assert_eq!(found.name, "Base-7B");
    assert_eq!(found.format, Format::Safetensors);
    assert_eq!(names(&found), ["a", "b"]);
    assert_eq!(found.tensors[1].dtype, Dtype::U8);
    assert_eq!(found.tensors[1].shape, [2]);
    assert_eq!(found.declared_base, ["org/Root"]);
    assert_eq!(found.weight_sets, [one("", "model.safetensors")]);
    assert_eq!(left_aside(&found), ["model.fp16.safetensors"]);
    assert_eq!(found.warnings, []);
    assert_eq!(found.config.unwrap().architecture(), Some("llama"));
}

#[test]
fn shards_with_an_index_are_one_set_whatever_lies_beside() {
    let tree = Tree::new();
    let map = index_of(&[
        ("a", "model-1-of-2.safetensors"),
        ("b", "model-2-of-2.safetensors"),
    ]);
    tree.put("m/model.safetensors.index.json", map)
        .put("m/model-1-of-2.safetensors", weights(&[("a", &[1])]))
        .put("m/model-2-of-2.safetensors", weights(&[("b", &[2])]))
        .put("m/model-1-of-3.safetensors", "an older generation")
        .put("m/consolidated.safetensors", "the same under other names");
    for path in ["m", "m/model.safetensors.index.json"] {
        let found = tree.open(path);
        assert_eq!(names(&found), ["a", "b"]);
        let indexed = WeightFiles::Indexed {
            index: "model.safetensors.index.json".to_owned(),
            shards: 2,
        };
        assert_eq!(found.weight_sets, [set("", indexed)]);
        assert_eq!(found.name, "m");
        let files: Vec<&str> = found.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            files,
            ["model-1-of-2.safetensors", "model-2-of-2.safetensors"]
        );
        assert_eq!(found.tensors[1].file, 1);
    }
    assert_eq!(
        left_aside(&tree.open("m")),
        ["consolidated.safetensors", "model-1-of-3.safetensors"]
    );
}

#[test]
fn several_files_without_an_index_are_joined() {
    let tree = Tree::new();
    tree.put(
        "m/one.safetensors",
        weights(&[("a", &[1]), ("both", &[7; 9])]),
    )
    .put(
        "m/two.safetensors",
        weights(&[("b", &[2]), ("both", &[7; 9])]),
    );
    let found = tree.open("m");
    assert_eq!(names(&found), ["a", "b", "both"]);
    assert_eq!(found.weight_sets, [set("", WeightFiles::Several(2))]);
    assert_eq!(codes(&found), ["files_joined", "tensor_twice"]);
    assert_eq!(found.tensors[2].file, 0);
}

#[test]
fn shards_that_are_missing_are_told() {
    let tree = Tree::new();
    tree.put(
        "m/model-00001-of-00003.safetensors",
        weights(&[("a", &[1])]),
    );
    let found = tree.open("m");
    assert_eq!(codes(&found), ["shards_missing"]);
    assert_eq!(
        found.warnings,
        [Warning::ShardsMissing {
            found: 1,
            expected: 3
        }]
    );
    // Named by itself it is no more of a model.
    assert_eq!(
        codes(&tree.open("m/model-00001-of-00003.safetensors")),
        ["shards_missing"]
    );
}

#[test]
fn one_name_with_two_contents_is_an_error() {
    let tree = Tree::new();
    tree.put("m/one.safetensors", weights(&[("a", &[1, 2])]))
        .put("m/two.safetensors", weights(&[("a", &[1, 3])]));
    assert_eq!(
        tree.error("m"),
        "m/two.safetensors: several models, as \"one.safetensors\" and \"two.safetensors\" both hold tensor \"a\" (expected one: name its file)"
    );
    tree.put("m/two.safetensors", weights(&[("a", &[1])]));
    assert!(
        tree.error("m")
            .ends_with("both hold tensor \"a\" (expected one: name its file)")
    );
}

#[test]
fn an_index_and_its_shards_must_agree() {
    let tree = Tree::new();
    let index = "m/model.safetensors.index.json";
    tree.put("m/1.safetensors", weights(&[("a", &[1])]))
        .put("m/2.safetensors", weights(&[("b", &[2]), ("c", &[3])]));
    tree.put(
        index,
        index_of(&[
            ("a", "1.safetensors"),
            ("b", "1.safetensors"),
            ("c", "2.safetensors"),
        ]),
    );
    let what = "m/model.safetensors.index.json: tensor \"b\" is mapped to \"1.safetensors\", which does not hold it";
    assert_eq!(tree.error("m"), what);
    tree.put(
        index,
        index_of(&[("a", "1.safetensors"), ("b", "3.safetensors")]),
    );
    let what = "m/model.safetensors.index.json: names \"3.safetensors\", which is not there: not downloaded";
    assert_eq!(tree.error("m"), what);
    tree.put(index, index_of(&[("a", "../m/1.safetensors")]));
    assert!(
        tree.error("m")
            .ends_with("(expected a plain file name in the index's directory)")
    );
    tree.put(
        index,
        index_of(&[("a", "1.safetensors"), ("c", "2.safetensors")]),
    );
    let found = tree.open("m");
    assert_eq!(names(&found), ["a", "b", "c"]);
    assert_eq!(codes(&found), ["not_in_index"]);
    assert_eq!(found.warnings[0].name().as_deref(), Some("b"));
}

#[test]
fn the_index_says_which_of_two_equal_copies_is_read() {
    let tree = Tree::new();
    tree.put("m/1.safetensors", weights(&[("a", &[1]), ("b", &[2])]))
        .put("m/2.safetensors", weights(&[("b", &[2])]));
    tree.put(
        "m/model.safetensors.index.json",
        index_of(&[("a", "1.safetensors"), ("b", "2.safetensors")]),
    );
    let found = tree.open("m");
    assert_eq!(codes(&found), ["tensor_twice"]);
    assert_eq!(found.tensors[1].file, 1);
}

#[test]
fn a_single_file_takes_the_config_that_is_its_own() {
    let tree = Tree::new();
    tree.put("m/model.safetensors", weights(&[("a", &[1])]))
        .put("m/config.json", r#"{"model_type":"x"}"#);
    let found = tree.open("m/model.safetensors");
    assert_eq!(found.name, "model.safetensors");
    assert_eq!(found.weight_sets, [one("", "model.safetensors")]);
    assert!(found.config.is_some());
    tree.put("m/other.safetensors", weights(&[("a", &[1])]));
    assert!(tree.open("m/other.safetensors").config.is_none());
}

#[test]
fn a_pipeline_is_read_folder_by_folder() {
    let tree = Tree::new();
    tree.put(
        "p/model_index.json",
        r#"{"_class_name":"StableDiffusionPipeline"}"#,
    )
    .put("p/whole.safetensors", "all in one")
    .put("p/unet/config.json", "{}")
    .put(
        "p/unet/diffusion_pytorch_model.safetensors",
        weights(&[("w", &[1])]),
    )
    .put("p/unet/diffusion_pytorch_model.fp16.safetensors", "half")
    .put(
        "p/unet-2/diffusion_pytorch_model.safetensors",
        weights(&[("w", &[2])]),
    )
    .put("p/text_encoder/model.safetensors", weights(&[("w", &[3])]))
    .put("p/scheduler/scheduler_config.json", "{}");
    let found = tree.open("p");
    assert_eq!(names(&found), ["text_encoder/w", "unet-2/w", "unet/w"]);
    assert_eq!(
        found.files[2].name,
        "unet/diffusion_pytorch_model.safetensors"
    );
    assert_eq!(found.tensors[2].file, 2);
    assert_eq!(
        left_aside(&found),
        [
            "whole.safetensors",
            "unet/diffusion_pytorch_model.fp16.safetensors"
        ]
    );
    assert_eq!(
        found.weight_sets[..2],
        [
            one("text_encoder/", "model.safetensors"),
            one("unet-2/", "diffusion_pytorch_model.safetensors")
        ]
    );
}

#[test]
fn a_header_without_tensors_is_a_legal_checkpoint() {
    let tree = Tree::new();
    tree.put("m/model.safetensors", b"\x02\0\0\0\0\0\0\0{}");
    assert_eq!(names(&tree.open("m")), [""; 0]);
}

#[test]
fn a_path_without_weights_is_an_error() {
    let tree = Tree::new();
    assert!(
        tree.error("none")
            .starts_with("none: No such file or directory")
    );
    fs::create_dir(tree.path("m")).unwrap();
    assert_eq!(
        tree.error("m"),
        "m: an empty directory (expected *.safetensors in the directory)"
    );
    tree.put("m/config.json", "{}");
    assert_eq!(
        tree.error("m"),
        "m: no weight file, only a configuration (expected *.safetensors in the directory)"
    );
    assert_eq!(
        tree.error("m/config.json"),
        "m/config.json: a configuration without weights (expected a weight file)"
    );
    tree.put("m/config.json", "{");
    assert!(tree.error("m").starts_with("m/config.json: not JSON: EOF"));
    tree.put("notes.txt", "hello");
    assert_eq!(
        tree.error("notes.txt"),
        "notes.txt: a text, it begins with \"hello\" (expected a weight file)"
    );
    tree.put("a/adapter_model.safetensors", weights(&[("a", &[1])]));
    assert_eq!(
        tree.error("a"),
        "a: an adapter's weights without adapter_config.json beside them (expected both)"
    );
}

#[test]
fn an_adapter_is_its_weights_and_its_configuration() {
    let tree = Tree::new();
    let config =
        r#"{"peft_type":"LORA","r":1,"lora_alpha":2,"base_model_name_or_path":"org/base"}"#;
    let prefix = "base_model.model.q";
    let a = format!("{prefix}.lora_A.weight");
    let b = format!("{prefix}.lora_B.weight");
    let header = format!(
        r#"{{"{a}":{{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}},"{b}":{{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]}}}}"#
    );
    let file = [
        &(header.len() as u64).to_le_bytes(),
        header.as_bytes(),
        &[0; 16],
    ]
    .concat();
    tree.put("a/adapter_model.safetensors", &file)
        .put("a/adapter_config.json", config);
    for path in ["a", "a/adapter_model.safetensors"] {
        let opened = open_checkpoint(&tree.path(path), Io::Read).unwrap();
        assert_eq!(opened.checkpoint.format, Format::Adapter);
        assert_eq!(opened.checkpoint.declared_base, ["org/base"]);
        assert_eq!(opened.adapter.unwrap().modules[0].scale, 2.0);
    }
    tree.put("a/adapter_config.json", r#"{"peft_type":"IA3"}"#);
    assert_eq!(
        tree.error("a"),
        "a/adapter_config.json: an adapter of the kind \"IA3\" (expected LORA)"
    );
    tree.put("a/adapter_config.json", "[");
    assert!(
        tree.error("a")
            .starts_with("a/adapter_config.json: not JSON")
    );
}

fn open_config(path: &Path) -> Result<Checkpoint> {
    config_alone(&locate(path, Io::Read)?)
}

#[test]
fn a_configuration_alone_opens_as_one() {
    let tree = Tree::new();
    tree.put("m/config.json", r#"{"model_type":"x"}"#)
        .put("m/README.md", "---\nbase_model: [a/b]\n---\n");
    for path in ["m", "m/config.json"] {
        let found = open_config(&tree.path(path)).unwrap();
        assert_eq!((found.format, found.name.as_str()), (Format::Config, "m"));
        assert_eq!(names(&found), [""; 0]);
    }
    assert_eq!(open_config(&tree.path("m")).unwrap().declared_base, ["a/b"]);
    fs::create_dir(tree.path("empty")).unwrap();
    let error = open_config(&tree.path("empty")).err().unwrap().to_string();
    assert!(error.ends_with("empty: no config.json (expected a model's directory)"));
}

#[cfg(unix)]
mod links {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn cache() -> Tree {
        let tree = Tree::new();
        let root = "hub/models--Org--Name-7B";
        tree.put(&format!("{root}/blobs/b1"), weights(&[("a", &[1])]))
            .put(&format!("{root}/blobs/c1"), r#"{"model_type":"x"}"#)
            .put("hub/blobs/ab/b2", weights(&[("b", &[2])]))
            .link("../../../blobs/ab/b2", &format!("{root}/blobs/b2"))
            .link(
                "../../blobs/b1",
                &format!("{root}/snapshots/abc1/model-1-of-2.safetensors"),
            )
            .link(
                "../../blobs/b2",
                &format!("{root}/snapshots/abc1/model-2-of-2.safetensors"),
            )
            .link(
                "../../blobs/c1",
                &format!("{root}/snapshots/abc1/config.json"),
            );
        // The last two components of a link inside blobs are seen from blobs itself.
        fs::remove_file(tree.path(&format!("{root}/blobs/b2"))).unwrap();
        tree.link("../../blobs/ab/b2", &format!("{root}/blobs/b2"));
        tree
    }

    #[test]
    fn a_hub_folder_is_read_through_its_links() {
        let tree = cache();
        let root = "hub/models--Org--Name-7B";
        for path in [root.to_string(), format!("{root}/snapshots/abc1")] {
            let found = tree.open(&path);
            assert_eq!(names(&found), ["a", "b"]);
            assert_eq!(found.name, "Org/Name-7B");
            assert_eq!(found.weight_sets, [set("", WeightFiles::Several(2))]);
        }
        assert_eq!(
            tree.open(&format!("{root}/snapshots/abc1/model-1-of-2.safetensors"))
                .name,
            "Org/Name-7B"
        );

        fs::create_dir(tree.path(&format!("{root}/snapshots/def2"))).unwrap();
        assert_eq!(
            tree.error(root),
            "hub/models--Org--Name-7B: 2 snapshots and no refs/main (expected the path of one)"
        );
        tree.put(&format!("{root}/refs/main"), "abc1\n");
        assert_eq!(names(&tree.open(root)), ["a", "b"]);
        tree.put(&format!("{root}/refs/main"), "0123");
        assert!(
            tree.error(root)
                .ends_with("refs/main names snapshot 0123, which is not there: not downloaded")
        );
        tree.put(&format!("{root}/refs/main"), "../../etc");
        assert!(
            tree.error(root)
                .ends_with("refs/main: not the name of a snapshot (expected a commit)")
        );
    }

    #[test]
    fn a_file_that_was_not_downloaded_is_named() {
        let tree = cache();
        let root = "hub/models--Org--Name-7B";
        fs::remove_file(tree.path(&format!("{root}/blobs/b1"))).unwrap();
        let error = tree.error(root);
        assert!(
            error.ends_with(
                "model-1-of-2.safetensors: a symbolic link to ../../blobs/b1, which is not there: not downloaded"
            ),
            "{error}"
        );
        fs::remove_dir_all(tree.path(&format!("{root}/snapshots/abc1"))).unwrap();
        assert!(
            tree.error(root)
                .ends_with("a hub cache folder without a snapshot: not downloaded")
        );
    }

    #[test]
    fn links_may_not_leave_the_checkpoint() {
        let tree = Tree::new();
        tree.put("elsewhere/w.safetensors", weights(&[("a", &[1])]))
            .put("m/inside.bak", weights(&[("a", &[1])]))
            .link("../elsewhere/w.safetensors", "m/model.safetensors");
        assert_eq!(
            tree.error("m"),
            "m/model.safetensors: a symbolic link that leads out of the checkpoint, to ../elsewhere/w.safetensors \
             (expected a file inside)"
        );
        // Named by the user, a link is a path like any other.
        assert_eq!(names(&tree.open("m/model.safetensors")), ["a"]);
        tree.link("m", "n");
        fs::remove_file(tree.path("m/model.safetensors")).unwrap();
        tree.link("inside.bak", "m/model.safetensors");
        assert_eq!(names(&tree.open("n")), ["a"]);
        fs::remove_file(tree.path("m/model.safetensors")).unwrap();
        tree.link("model.safetensors", "m/model.safetensors");
        assert!(
            tree.error("m")
                .starts_with("m/model.safetensors: Too many levels of symbolic links")
        );
    }

    #[test]
    fn names_need_not_be_utf_8() {
        let tree = Tree::new();
        let folder = tree.0.path().join(std::ffi::OsStr::from_bytes(b"m\xff"));
        fs::create_dir(&folder).unwrap();
        let file = folder.join(std::ffi::OsStr::from_bytes(b"w\xfe.safetensors"));
        fs::write(&file, weights(&[("a", &[1])])).unwrap();
        for path in [&folder, &file] {
            let found = open_checkpoint(path, Io::Mmap).unwrap().checkpoint;
            assert_eq!(names(&found), ["a"]);
            assert_eq!(found.files[0].name, "w\u{fffd}.safetensors");
        }
        assert_eq!(
            open_checkpoint(&folder, Io::Mmap).unwrap().checkpoint.name,
            "m\u{fffd}"
        );
    }

    #[test]
    fn what_is_not_a_regular_file_is_refused_in_a_directory_too() {
        let tree = Tree::new();
        fs::create_dir_all(tree.path("m")).unwrap();
        assert!(
            std::process::Command::new("mkfifo")
                .arg(tree.path("m/model.safetensors"))
                .status()
                .unwrap()
                .success()
        );
        assert_eq!(
            tree.error("m"),
            "m/model.safetensors: a named pipe (expected a regular file)"
        );
        assert_eq!(
            tree.error("m/model.safetensors"),
            "m/model.safetensors: a named pipe (expected a regular file)"
        );
        let error = open_checkpoint(Path::new("/dev/null"), Io::Mmap)
            .err()
            .unwrap()
            .to_string();
        assert_eq!(error, "/dev/null: a device (expected a regular file)");
    }
}

fn left_aside(checkpoint: &Checkpoint) -> Vec<&str> {
    let left = checkpoint.left_aside.iter();
    left.map(|left| left.file.as_str()).collect()
}
