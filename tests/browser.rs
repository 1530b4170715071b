//! The pages of HTML in a browser: `cargo test --test suite browser -- --ignored` where Chromium is
//! installed.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::tempdir;

use crate::support::command::{answer, fixture, wcmp};
use crate::support::rows::written_model;
use crate::support::weights::{Decoder, Model};

/// What a browser says of the file at `path`: its document after the scripts ran, and its log.
fn browsed(path: &Path, profile: &Path) -> (String, String) {
    let output = Command::new("chromium")
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
        ])
        .args(["--enable-logging=stderr", "--window-size=1000,800"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}", path.display()))
        .output()
        .expect("run chromium");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A page that holds another in a frame of 400 pixels and tells what it measures there. The page
/// within forbids scripts; the one around it may look.
fn framed(page: &str) -> String {
    let escaped = page.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<!doctype html><meta charset=utf-8><body><iframe id=f width=400 height=800 srcdoc=\"{escaped}\">\
         </iframe><p id=out></p><script>onload=()=>{{const d=document.getElementById('f').contentDocument;\
         document.getElementById('out').textContent='wide '+d.documentElement.scrollWidth+' head '+\
         Math.round(d.querySelector('h1').getBoundingClientRect().bottom)+' svg '+\
         d.querySelectorAll('svg').length}}</script>"
    )
}

#[test]
fn a_page_of_a_hundred_layers_and_five_thousand_tensors_stays_under_a_megabyte() {
    let size = Decoder {
        hidden: 16,
        ffn: 4,
        layers: 100,
        heads: 2,
        kv_heads: 1,
        vocab: 32,
        experts: 14,
    };
    let model = Model::decoder("deep", size);
    let base = written_model("browser", "deep", "base", &model);
    let target = written_model("browser", "deep", "target", &Model::decoder("other", size));
    for target in [&base, &target] {
        let output = wcmp()
            .args(["compare", "-f", "html"])
            .args([&base, target])
            .output()
            .unwrap();
        let page = answer(&output, 0);
        assert!(
            page.contains("<svg") && page.len() < 1_000_000,
            "{}",
            page.len()
        );
    }
    assert!(model.stored(|_| "BF16").len() > 4_500);
}

#[test]
#[ignore = "needs chromium"]
fn pages_are_narrow_quiet_and_open_with_the_answer() {
    let folder = tempdir().unwrap();
    let (base, tuned, other) = (
        fixture("base"),
        fixture("fine-tuned"),
        fixture("independent"),
    );
    let commands: [(&str, Vec<&Path>, &str, bool); 4] = [
        ("compare", vec![&base, &tuned], "en", true),
        ("compare", vec![&base, &other], "ko", true),
        ("rank", vec![&tuned, &base, &other], "en", true),
        ("arch", vec![&tuned, &base], "en", false),
    ];
    for (command, models, lang, pictures) in commands {
        let output = wcmp()
            .args([command, "-f", "html", "--lang", lang])
            .args(models)
            .output()
            .unwrap();
        let page = answer(&output, 0);
        assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("src="));
        let path = folder.path().join("page.html");
        fs::write(&path, page).unwrap();
        let (_, log) = browsed(&path, folder.path());
        assert!(!log.contains("CONSOLE"), "{command}: {log}");
        fs::write(&path, framed(page)).unwrap();
        let (document, _) = browsed(&path, folder.path());
        let (_, told) = document.split_once("wide ").expect("the measure");
        let told = told.split('<').next().unwrap();
        let numbers: Vec<u64> = told
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        let [wide, head, svg] = numbers[..] else {
            panic!("{told}")
        };
        assert!(wide <= 400, "{command}: {wide} pixels wide");
        assert!(head <= 800, "{command}: the answer ends at {head}");
        assert_eq!(svg > 0, pictures, "{command}");
    }
}
