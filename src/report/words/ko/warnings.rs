//! Warnings in sentences.

use super::findings::side;
use crate::error::{escape_controls, quoted};
use crate::model::warning::{
    About, AdapterSetting, Among, Fused, NoWeight, NoWeights, NotRead, Warning,
};
use crate::report::number;

/// The sentence of a warning, with whose it is before it.
pub(super) fn noted(about: &About, warning: &Warning) -> String {
    let sentence = self::warning(warning);
    match about {
        About::Comparison => sentence,
        About::Side(whose) => format!("{}: {sentence}", side(*whose)),
        About::Model(name) => format!("{name}: {sentence}"),
    }
}

fn warning(warning: &Warning) -> String {
    match warning {
        Warning::ConfigNotJson { file } => format!(
            "{}에 JSON이 아닌 NaN 또는 Infinity가 있어 null로 읽음",
            escape_controls(file)
        ),
        Warning::TokenizerUnreadable { file, why } => {
            format!("{file}을(를) 건너뜀: {}", escape_controls(why))
        }
        Warning::ExtraHeaderField {
            file,
            fields,
            tensor,
            field,
        } => format!(
            "{}: 알 수 없는 헤더 항목 {fields}개, 처음은 텐서 {}의 {}. 무시함",
            escape_controls(file),
            quoted(tensor),
            quoted(field)
        ),
        Warning::RepeatedMetadataKey { file, key } => format!(
            "{}: 헤더의 __metadata__에 키 {}이(가) 반복됨",
            escape_controls(file),
            quoted(key)
        ),
        Warning::ReferenceReaderDisagrees { file, why } => format!(
            "{}: 이 형식의 기준 구현은 파일을 거부하므로 다른 프로그램에서 열리지 않을 수 있음: {}",
            escape_controls(file),
            escape_controls(why)
        ),
        Warning::NotInIndex { first, tensors } => format!(
            "index에 없는 텐서 {tensors}개, 처음은 {}. 다른 텐서와 같이 읽음",
            quoted(first)
        ),
        Warning::TensorTwice { first, tensors } => format!(
            "두 파일에 같은 바이트로 들어 있는 텐서 {tensors}개, 처음은 {}. 하나만 읽음",
            quoted(first)
        ),
        Warning::ShardsMissing { found, expected } => {
            format!("조각 {expected}개 중 {found}개만 읽음: 나머지의 내용은 없는 것이지 바뀐 것이 아님")
        }
        Warning::PartMissing { folder, listed_in } => format!(
            "{}이(가) 가리키는 하위 폴더 {}에 가중치가 없음: 없는 것은 바뀐 것이 아님",
            escape_controls(listed_in),
            quoted(folder)
        ),
        Warning::LayersMissing { found, declared } => format!(
            "config.json은 레이어가 {declared}개라고 하지만 파일에는 {found}개만 있음: 없는 것은 바뀐 것이 아님"
        ),
        Warning::FilesJoined { files, more } => format!(
            "이름이 다른 파일 {}을(를) 한 모델로 읽음",
            listed(files, *more)
        ),
        Warning::AnotherModelBeside { files } => {
            format!("읽은 파일 옆의 {}에는 다른 모델이 있음", listed(files, 0))
        }
        Warning::TiedTensor { .. } => "다른 텐서와 저장 공간을 함께 씀: 한 번만 셈".to_owned(),
        Warning::PickleGlobals { names, more } => {
            let names = listed(names, *more);
            format!("pickle이 알 수 없는 {names}을(를) 가리킴: 건너뛰었고 아무것도 실행하지 않음")
        }
        Warning::PickleParts { read, keys } => format!(
            "한 파일에 여러 모델이 있음: {}을(를) 읽고 {}은(는) 제외함. --include 'KEY.*'로 고를 수 있음",
            quoted(read),
            listed(keys, 0)
        ),
        Warning::UnmergedAdapter { first, tensors } => format!(
            "병합되지 않은 어댑터: LoRA 인수 {tensors}개(처음은 {})를 제외하고 비교함",
            quoted(first)
        ),
        Warning::NormsPlusOne { first, tensors } => format!(
            "norm gain {tensors}개(처음은 {})가 다른 쪽 값에 1을 더한 것임: 같은 norm의 두 표기이므로 1을 \
             빼고 비교함",
            quoted(first)
        ),
        Warning::FewLevels {
            first,
            tensors,
            matrices,
            levels,
            among,
        } => {
            let among = match among {
                Among::Neighbours => "이웃한 값",
                Among::Row => "한 행",
                Among::Matrix => "한 행렬",
            };
            format!(
                "격자 위의 값: 행렬 {matrices}개 중 {tensors}개(처음은 {})가 {among} 안에서 많아야 {levels}단계의 \
                 값만 가짐. 적은 비트의 코드를 풀어 쓰면 이렇게 되며, 그 반올림이 모든 차이에 들어 있음",
                quoted(first)
            )
        }
        Warning::ScaleMissing { first, tensors } => format!(
            "스케일이 없는 FP8 행렬 {tensors}개(처음은 {}): 코드만 있으므로 배율을 빼고 비교함",
            quoted(first)
        ),
        Warning::TensorNotRead { what, .. } => format!("{}: 읽지 않음", not_read(*what)),
        Warning::AdapterTokens { .. } => {
            "어댑터가 학습한 개별 토큰의 행은 비교하지 않음".to_owned()
        }
        Warning::AdapterConfig(setting) => adapter_setting(setting),
        Warning::GptqZeroPoints {
            first,
            wrapped,
            matrices,
        } => format!(
            "살펴본 GPTQ 행렬 중 {matrices}개(처음은 {}, {wrapped}곳)의 영점이 가장 큰 코드로 저장됨: 여기서는 \
             0으로, 다른 프로그램은 넘침으로 읽음",
            quoted(first)
        ),
        Warning::UnsupportedQuantization {
            first,
            matrices,
            why,
        } => format!("행렬 {matrices}개(처음은 {})를 비교하지 못함: {why}", quoted(first)),
        Warning::RotaryOrder => {
            "q와 k의 행 순서가 상대 파일의 배치와 달라, 가능한 순서를 시험해 맞는 것을 택함".to_owned()
        }
        Warning::FusedOrder(Fused::QueryKeyValue) => {
            "query, key, value가 한 텐서에 이름과 다른 순서로 있어, 가능한 순서를 시험해 맞는 것을 택함"
                .to_owned()
        }
        Warning::FusedOrder(Fused::GateUp) => {
            "gate와 up이 한 텐서에 이름과 다른 순서로 있어, 가능한 순서를 시험해 맞는 것을 택함".to_owned()
        }
        Warning::IdenticalPerhapsFormula { .. } => {
            "동일하지만 공식으로 설명되는 값이어서 어느 모델에서나 같음: 그 자체로는 증거가 아님".to_owned()
        }
        Warning::DeclaredBaseContradicted { claim } => format!(
            "대상은 이 기준 모델({})에서 왔다고 밝히지만, 어떤 검사에서도 그 가중치를 찾지 못함",
            quoted(claim)
        ),
        Warning::DeclaredBaseConfirmed { claim } => format!(
            "대상은 이 기준 모델({})에서 왔다고 밝히며, 가중치도 그와 일치함",
            quoted(claim)
        ),
        Warning::FromSketch => {
            "스케치가 가중치를 대신함: 유사도는 스케치에 남은 값으로 추정했고, 다른 값이 필요한 것은 \
             검사하지 않음"
                .to_owned()
        }
        Warning::DeclaredBaseDiffers { claims } => format!(
            "대상이 밝힌 기준 모델({})은 실제로 가중치를 공유하는 모델과 다름",
            listed(claims, 0)
        ),
        Warning::ConfigConflict {
            model, conflict, ..
        } => format!(
            "{model}의 config.json은 {}을(를) {}라고 하지만 텐서는 {}임",
            conflict.field, conflict.config, conflict.tensors
        ),
        Warning::NoWeights(what) => no_weights(what),
        Warning::BaseSetAside { path, is_target } => {
            let what = if *is_target {
                "대상 모델 자신"
            } else {
                "변화만 담은 어댑터"
            };
            format!("{}은(는) {what}이므로 기준 모델에서 제외함", quoted(path))
        }
        Warning::MixtureNotUnique {
            bases: [one, other],
        } => format!(
            "{}와(과) {}은(는) 여기서 구별되지 않음: 둘 중 어느 것이든 혼합의 항이 될 수 있어 몫을 말하지 않음",
            quoted(one),
            quoted(other)
        ),
        Warning::SumNotTold {
            bases: [one, other],
        } => format!(
            "{}, {}와(과) 대상이 한 직선 위에 있음: 셋 가운데 하나가 나머지 둘의 합일 수 있으나 어느 것인지는 알 수 없음",
            quoted(one),
            quoted(other)
        ),
    }
}

/// What holds no weights, how much, and where first.
pub(super) fn no_weights(what: &NoWeights) -> String {
    let (tensors, values) = (
        number::count(what.tensors as u64),
        number::count(what.values),
    );
    let said = match &what.kind {
        NoWeight::NotFinite => format!("텐서 {tensors}개에 NaN 또는 무한대 {values}개"),
        NoWeight::Zero => format!("텐서 {tensors}개가 모두 0"),
        NoWeight::Constant => format!("텐서 {tensors}개가 하나의 값"),
        NoWeight::Empty => format!("텐서 {tensors}개에 원소 없음"),
        NoWeight::EndsInZeros { file } => {
            return format!(
                "{}의 끝 {values}바이트가 0이고 텐서 {tensors}개에 걸쳐 있음: 내려받다 만 파일일 수 있음",
                escape_controls(file)
            );
        }
    };
    let names: Vec<String> = what.names.iter().map(|name| quoted(name)).collect();
    let left_out = match what.parameters {
        0 => String::new(),
        count => format!("; 파라미터 {}개를 비교에서 제외함", number::count(count)),
    };
    format!("{said} ({}){left_out}", names.join(", "))
}

fn not_read(what: NotRead) -> &'static str {
    match what {
        NotRead::Quantised => "양자화된 텐서",
        NotRead::Sparse => "희소 텐서",
        NotRead::WithoutValues => "값이 없는 텐서",
        NotRead::Nested => "중첩 텐서",
        NotRead::Subclass => "하위 클래스의 텐서",
        NotRead::ForeignDtype => "다른 형식에 없는 자료형의 텐서",
        NotRead::LazyView => "켤레 또는 부호 반전 뷰",
    }
}

fn adapter_setting(setting: &AdapterSetting) -> String {
    match setting {
        AdapterSetting::NoMagnitude => {
            "use_dora가 켜져 있으나 크기 벡터를 지닌 모듈이 없음".to_owned()
        }
        AdapterSetting::RepeatedLayers => {
            "layer_replication: 레이어를 반복한 모델에 속한 어댑터임".to_owned()
        }
        AdapterSetting::ChangedBase { start } => format!(
            "init_lora_weights가 {}임: 학습을 시작하며 기준도 바꾸었고, 이는 되돌리지 않음",
            quoted(start)
        ),
        AdapterSetting::PatternNotApplied { table, pattern } => {
            format!("{table}: {}은(는) 적용되지 않는 정규식임", quoted(pattern))
        }
        AdapterSetting::OtherRank {
            declared,
            module,
            rank,
        } => format!("r은 {declared}이나 {}의 랭크는 {rank}임", quoted(module)),
    }
}

fn listed(names: &[String], more: usize) -> String {
    let names: Vec<String> = names.iter().map(|name| escape_controls(name)).collect();
    let shown = names.join(", ");
    match more {
        0 => shown,
        more => format!("{shown} 외 {more}개"),
    }
}
