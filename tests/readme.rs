//! What the READMEs show is what the commands print.

use std::fs;
use std::path::Path;

use crate::support::command::{answer, wcmp};

/// Every block that begins with `$ wcmp` stands above what the command prints. `UPDATE_SNAPSHOTS=1`
/// writes them anew.
#[test]
fn commands_in_the_readmes_print_what_stands_below_them() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, least) in [("README.md", 3), ("src/guide/README.ko.md", 2)] {
        let path = root.join(name);
        let readme = fs::read_to_string(&path).unwrap();
        let mut written = String::new();
        let mut commands = 0;
        for (at, block) in readme.split("```").enumerate() {
            if at > 0 {
                written.push_str("```");
            }
            let Some(rest) = block.strip_prefix("\n$ wcmp ") else {
                written.push_str(block);
                continue;
            };
            let (arguments, _) = rest.split_once('\n').unwrap();
            let output = wcmp()
                .current_dir(root)
                .args(arguments.split(' '))
                .output()
                .unwrap();
            written.push_str(&format!("\n$ wcmp {arguments}\n{}", answer(&output, 0)));
            commands += 1;
        }
        assert!(commands >= least, "{name}: {commands} commands");
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&path, &written).unwrap();
        } else {
            assert!(
                written == readme,
                "{name} is not what is printed:\n{written}"
            );
        }
    }
}
