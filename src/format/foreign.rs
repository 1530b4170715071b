//! Files that are no weights that are read, told by their first bytes: what each is, and what was
//! expected in its place.

use std::path::Path;

use super::weights;
use crate::error::{escape_controls, quoted};

/// First bytes, what a file that begins with them is, and what was expected.
const MAGICS: &[(&[u8], &str)] = &[
    (
        b"version https://git-lfs",
        "a Git LFS pointer: not downloaded (expected the file it stands for)",
    ),
    (
        b"# xet version",
        "a Xet pointer: not downloaded (expected the file it stands for)",
    ),
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file of Keras or TensorFlow (expected safetensors, GGUF or PyTorch)",
    ),
    (
        b"\x93NUMPY",
        "an array of numpy (expected safetensors, GGUF or PyTorch)",
    ),
    (b"\x1f\x8b", "compressed by gzip (expected it unpacked)"),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed by zstd (expected it unpacked)",
    ),
    (b"\xfd7zXZ\0", "compressed by xz (expected it unpacked)"),
    (b"BZh", "compressed by bzip2 (expected it unpacked)"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive (expected it unpacked)"),
    (b"Rar!\x1a\x07", "a rar archive (expected it unpacked)"),
    (
        b"\0\x05\x16\x07",
        "an AppleDouble file, which macOS keeps beside the real one (expected the file without \"._\")",
    ),
    (
        b"lmgg",
        "a GGML file from before GGUF (expected GGUF: llama.cpp converts it)",
    ),
    (
        b"tjgg",
        "a GGML file from before GGUF (expected GGUF: llama.cpp converts it)",
    ),
    (
        b"fmgg",
        "a GGML file from before GGUF (expected GGUF: llama.cpp converts it)",
    ),
    (
        b"algg",
        "an adapter of llama.cpp from before GGUF (expected GGUF)",
    ),
    (
        b"<?xml",
        "an XML document, perhaps a server's error (expected a weight file)",
    ),
    (b"{\"error\"", "a server's error (expected a weight file)"),
    (b"%PDF", "a PDF document (expected a weight file)"),
    (
        b"MZqFpD",
        "a llamafile, a program with a GGUF file inside (expected the GGUF file: it unpacks as a zip archive)",
    ),
    (
        b"\xba\x16\x4f\x2f",
        "a model of fastText (expected safetensors, GGUF or PyTorch)",
    ),
    (
        b"7767517\n",
        "a network of ncnn (expected safetensors, GGUF or PyTorch)",
    ),
    (
        b"RKNN",
        "a model of RKNN (expected safetensors, GGUF or PyTorch)",
    ),
    (
        b"d8:announce",
        "a torrent: not downloaded (expected the file it stands for)",
    ),
];

/// Where a tar archive says what it is.
const TAR_MAGIC: (usize, &[u8]) = (257, b"ustar");

/// What TensorFlow Lite files have behind their first offset.
const TFLITE_MAGIC: (usize, &[u8]) = (4, b"TFL3");

/// What a file that begins with `head` is; none where it may be a weight file.
pub(super) fn tell(head: &[u8], path: &Path) -> Option<String> {
    let at =
        |(at, magic): (usize, &[u8])| head.get(at..).is_some_and(|head| head.starts_with(magic));
    let known = MAGICS.iter().find(|(magic, _)| head.starts_with(magic));
    let is_page = ["<!DOCTYPE", "<!doctype", "<html"]
        .iter()
        .any(|start| head.starts_with(start.as_bytes()));
    let what = if let Some((_, what)) = known {
        what
    } else if is_page {
        "a web page (expected a weight file)"
    } else if at(TAR_MAGIC) {
        "a tar archive (expected it unpacked)"
    } else if at(TFLITE_MAGIC) {
        "a TensorFlow Lite model (expected safetensors, GGUF or PyTorch)"
    } else if head.len() >= 64 && head.iter().all(|&byte| byte == 0) {
        if let Some(what) = tell_by_name(path) {
            return Some(what);
        }
        "begins with zeros: an unfinished download? (expected a weight file)"
    } else if let Some(target) = link_in_text(head) {
        return Some(format!(
            "a symbolic link stored as text, to {}: not downloaded (expected the file it names)",
            escape_controls(target)
        ));
    } else if let Some(line) = text(head) {
        let line = quoted(&line);
        return Some(format!(
            "a text, it begins with {line} (expected a weight file)"
        ));
    } else {
        return tell_by_name(path);
    };
    Some(what.to_owned())
}

/// What a file of no known content is by its name.
fn tell_by_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    if is_unfinished(name) {
        return Some("an unfinished download (expected the whole file)".to_owned());
    }
    named(name)
        .map(|format| format!("by its name {format} (expected safetensors, GGUF or PyTorch)"))
}

/// Whether a file has the name that a browser, `curl`, `wget`, `aria2c`, `huggingface_hub` or a
/// program for torrents gives what it has not read to its end.
pub(super) fn is_unfinished(name: &str) -> bool {
    let Some((stem, ending)) = name.rsplit_once('.') else {
        return false;
    };
    match ending.to_ascii_lowercase().as_str() {
        "incomplete" | "crdownload" | "aria2" | "part" | "partial" | "download" | "opdownload"
        | "filepart" | "!qb" | "!ut" | "!bt" | "!sync" => true,
        "tmp" | "temp" | "st" => weights::is_weight_file(stem),
        _ => false,
    }
}

/// What `aria2c` and `axel` keep beside a file as long as they write to it, as endings.
pub(super) const BESIDE_UNFINISHED: [&str; 2] = ["aria2", "st"];

/// The format of a pickle that another library than PyTorch names as its own.
pub(super) fn pickled_by(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    named(name).filter(|format| matches!(*format, "PaddlePaddle" | "joblib"))
}

/// The file format's name of a file that is not read; none of one that is.
pub(super) fn named(name: &str) -> Option<&'static str> {
    let is_tensorflow = [".data-000", ".ckpt.index", ".ckpt.meta"];
    let mut marks = is_tensorflow.iter();
    if marks.any(|mark| name.contains(mark) || name.ends_with(mark)) {
        return Some("a TensorFlow checkpoint");
    }
    let (stem, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "msgpack" => "Flax",
        "h5" if stem.starts_with("tf_") => "TensorFlow",
        "h5" | "keras" => "Keras",
        "pb" if stem == "saved_model" => "a TensorFlow SavedModel",
        "pb" => "a TensorFlow graph",
        "ocdbt" => "Orbax",
        "onnx" => "ONNX",
        "npz" | "npy" => "numpy",
        "tflite" | "litertlm" => "TFLite",
        "mlmodel" => "Core ML",
        "pte" => "ExecuTorch",
        "pt2" => "an exported PyTorch program",
        "distcp" => "a distributed PyTorch checkpoint",
        "ot" => "rust_model",
        "xml" if stem.starts_with("openvino") => "OpenVINO",
        "engine" | "trt" => "TensorRT",
        "pdparams" | "pdiparams" => "PaddlePaddle",
        "caffemodel" => "Caffe",
        "mnn" => "MNN",
        "nemo" => "NeMo, a tar archive",
        "t7" => "Lua Torch",
        "joblib" => "joblib",
        "weights" => "Darknet",
        "rknn" => "RKNN",
        "llamafile" => "llamafile, a program with a GGUF file inside",
        "dduf" => "DDUF, a zip archive of a pipeline",
        "mar" => "TorchServe, a zip archive",
        "plan" => "TensorRT",
        _ => return None,
    })
}

/// Bytes by which text is told from weights: the headers of all formats hold others among them.
const TEXT_BYTES: usize = 16;

/// Characters of a text that an error shows.
const TEXT_SHOWN: usize = 60;

/// The first line of a text: what a server said in place of the file, more often than not.
fn text(head: &[u8]) -> Option<String> {
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        // A character may be cut at the end.
        Err(error) => std::str::from_utf8(head.get(..error.valid_up_to())?).ok()?,
    };
    let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    if valid.len() < TEXT_BYTES.min(head.len()) || valid.trim().is_empty() {
        return None;
    }
    let begin: String = valid.chars().take(TEXT_BYTES).collect();
    let line = valid.trim_start().lines().next().unwrap_or_default();
    let shown: String = line.chars().take(TEXT_SHOWN).collect();
    begin.chars().all(is_text).then_some(shown)
}

/// Whether a file is a shard of a distributed checkpoint: its bytes look like archives of PyTorch,
/// one behind the other.
pub(super) fn is_distributed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "distcp")
}

/// A shard of a distributed checkpoint.
pub(super) const DISTRIBUTED: &str = "a shard of a distributed PyTorch checkpoint, .distcp (expected one \
     file: python -m torch.distributed.checkpoint.format_utils dcp_to_torch DIRECTORY OUT makes it)";

/// The target of a link that was written down as a file, as some tools do on file systems without
/// links: all of a short file, a path that leads elsewhere.
fn link_in_text(head: &[u8]) -> Option<&str> {
    const LEADS: [&str; 5] = ["../", "./", "/", "..\\", ".\\"];
    let text = std::str::from_utf8(head).ok()?.trim_end();
    let is_drive = |text: &str| {
        let mut bytes = text.bytes();
        bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic()) && text.get(1..3) == Some(":\\")
    };
    let is_path = LEADS.iter().any(|lead| text.starts_with(lead)) || is_drive(text);
    let is_one_name = !text.starts_with("//") && !text.contains(|char: char| char.is_control());
    (is_path && is_one_name && text.len() < 400).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_other_programs_write_is_told_by_name_where_content_says_nothing() {
        for (head, name, expected) in [
            (&[0; 64][..], "yolov3.weights", "by its name Darknet"),
            (
                &[0; 64],
                "model.ckpt-9.data-00000-of-00001",
                "by its name a TensorFlow checkpoint",
            ),
            (&[0; 64], "model.bin", "begins with zeros"),
            (&[0; 64], "model.safetensors.part", "an unfinished download"),
            (
                b"\xba\x16\x4f\x2f\x0c\0\0\0",
                "wiki.bin",
                "a model of fastText",
            ),
            (b"MZqFpD='\n", "mistral.llamafile", "a llamafile"),
        ] {
            let told = tell(head, Path::new(name));
            assert!(
                told.is_some_and(|told| told.starts_with(expected)),
                "{name}"
            );
        }
    }

    #[test]
    fn an_unfinished_download_is_known_by_its_name() {
        for name in [
            "a.gguf.!qB",
            "model.safetensors.tmp",
            "x.filepart",
            "x.OPDOWNLOAD",
            "a.pt.st",
        ] {
            assert!(is_unfinished(name), "{name}");
        }
        for name in ["model.safetensors", "notes.tmp", "part", "st"] {
            assert!(!is_unfinished(name), "{name}");
        }
    }

    #[test]
    fn a_link_in_text_is_told_from_other_texts() {
        let links = [
            "../../blobs/ab12\n",
            "..\\..\\blobs\\ab12",
            "/hub/blobs/ab12",
            "C:\\hub\\ab12",
        ];
        for link in links {
            assert_eq!(link_in_text(link.as_bytes()), Some(link.trim_end()));
        }
        for text in [
            "",
            "// a comment",
            "Entry not found",
            "../a\n../b",
            "C: drive",
            "x",
        ] {
            assert_eq!(link_in_text(text.as_bytes()), None, "{text}");
        }
    }
}
