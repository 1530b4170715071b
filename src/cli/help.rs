//! Examples and exit codes: the lower half of the long help.

/// `wcmp --help`.
pub(super) const MAIN: &str = "\
Examples:
  wcmp compare base/ target/                  was target made from base?
  wcmp rank target/ llama/ qwen/ mistral/     from which, or from none?
  wcmp arch target/config.json base/          can they be compared at all?
  wcmp inspect model.safetensors              what is in it?
  wcmp hash release/ > release.manifest       the manifest of a release
  wcmp hash --check release.manifest copy/    is this copy the released one?
  wcmp compare base/ target/ --export report.json --export report.html
  wcmp show report.json --lang ko             the same answer in Korean
  wcmp verify report.json                     does it come out the same?

Exit codes:
  0    the answer was given, and it is what --expect (if any) names
  1    the answer was given and --expect does not name it; hash --check or verify
       found a difference
  2    no answer: wrong usage, unreadable or malformed input, I/O error
  130  interrupted

Environment:
  NO_COLOR, CLICOLOR_FORCE    colours off, colours on
  COLUMNS                     width of the text report (default: the terminal's,
                              else 80)
  WCMP_KERNEL                 loops by name, for tests: the same answer by
                              other instructions (--version tells which)";

/// `wcmp compare --help`.
pub(super) const COMPARE: &str = "\
Examples:
  wcmp compare base/ target/
  wcmp compare base/ target/ --format json | jq -r .verdict.label
  wcmp compare base/ target/ --expect independent --quiet
  wcmp compare base/ target/ --expect derived --min-confidence strong -q
  wcmp compare base/ target/ -o report.txt --export report.html
  wcmp compare base/ target/ --format markdown --output report.md
  wcmp compare base/ target/ --exclude 'vision_tower.*'
  wcmp compare base/ adapter/                 what does a PEFT adapter change?

Exit codes:
  0    the verdict was given, and it is what --expect (if any) names
  1    the verdict was given and --expect does not name it (inconclusive too,
       unless named)
  2    no answer: wrong usage, unreadable or malformed input, I/O error
  130  interrupted";

/// `wcmp rank --help`.
pub(super) const RANK: &str = "\
Examples:
  wcmp rank target/ llama/ qwen/ mistral/
  wcmp rank target/ bases/ --format json | jq -r .conclusion.sentence
  wcmp rank target/ bases/* --expect from_scratch

Exit codes:
  0    the conclusion was given, and it is what --expect (if any) names
  1    the conclusion was given and --expect does not name it
  2    no answer: wrong usage, unreadable or malformed input, I/O error
  130  interrupted";

/// `wcmp arch --help`.
pub(super) const ARCH: &str = "\
Examples:
  wcmp arch target/ base/
  wcmp arch target/config.json a/config.json b/config.json --format markdown

Exit codes: 0 answered, 2 no answer, 130 interrupted";

/// `wcmp inspect --help`.
pub(super) const INSPECT: &str = "\
Examples:
  wcmp inspect model/
  wcmp inspect model/ --format csv --output tensors.csv
  wcmp inspect ~/.cache/huggingface/hub/models--ORG--NAME

Exit codes: 0 answered, 2 no answer, 130 interrupted";

/// `wcmp verify --help`.
pub(super) const VERIFY: &str = "\
Examples:
  wcmp compare base/ target/ --export report.json
  wcmp verify report.json                     from the paths that it names
  wcmp verify report.json my/base my/target   from copies of the two

Exit codes:
  0    the report comes out the same
  1    it does not: the fields are named, with what was expected and found
  2    no answer: the report or a checkpoint cannot be read
  130  interrupted";

/// `wcmp sketch --help`.
pub(super) const SKETCH: &str = "\
Examples:
  wcmp sketch release/ --output release.sketch
  wcmp compare release.sketch target/
  wcmp rank target/ sketches/

Exit codes: 0 written, 2 no answer, 130 interrupted";

/// `wcmp hash --help`.
pub(super) const HASH: &str = "\
Examples:
  wcmp hash release/ > release.manifest
  wcmp hash --check release.manifest copy/
  curl -s https://example.org/release.manifest | wcmp hash --check - copy/

Exit codes:
  0    the manifest was printed; with --check: the copy is the released one
  1    with --check: something differs, is missing or is new
  2    no answer: wrong usage, unreadable or malformed input, I/O error
  130  interrupted";
