//! Headings, labels and remarks.

use super::super::{Caption, Heading, Remark, Term, Titles};
use super::Korean;

impl Titles for Korean {
    fn code(&self) -> &'static str {
        "ko"
    }

    fn as_a_table(&self) -> &'static str {
        "표로 보기"
    }

    fn caption(&self, caption: Caption) -> &'static str {
        match caption {
            Caption::Heat => "레이어와 역할별 코사인 유사도. 회색: 비교된 것이 없음",
            Caption::Depth => "깊이에 따른 모든 텐서의 코사인 유사도",
            Caption::LayerMap => "위는 대상 모델, 아래는 기준 모델의 레이어",
            Caption::UnitsInPlace => "레이어별로 제자리에 있는 표본 유닛의 비율",
            Caption::Bases => "각 기준 모델의 초과분",
            Caption::Mixture => "레이어별로 각 부모 모델의 몫",
        }
    }

    fn glossary(&self) -> &'static [(&'static str, &'static str)] {
        &[
            (
                "unit",
                "뉴런, head, 차원 하나: 함께 움직이는 한 행 또는 한 열",
            ),
            ("probe", "상대 모델에서 찾아보려고 뽑은 유닛"),
            ("hit", "가장 비슷한 유닛이 바로 제자리의 유닛인 표본"),
            (
                "excess",
                "차원의 순서가 무작위일 때 나올 값을 넘는 코사인 유사도",
            ),
            ("chance", "무관한 모델이 이만큼 일치할 확률의 상한"),
            (
                "log10 p",
                "같은 상한을 10의 거듭제곱으로 쓴 것: -6은 백만분의 일",
            ),
            ("direct", "검정 방식: 이름이 정하는 자리 그대로 비교"),
            (
                "order",
                "검정 방식: 내용으로 짝지은 유닛이 한 순서를 이루는지 확인",
            ),
            (
                "projected",
                "검정 방식: 두 모델이 공유하는 토큰을 통해 본 유닛",
            ),
            ("matched", "검정 방식: 한 행렬로 짝짓고 다른 행렬로 확인"),
            ("s95", "95 % 확률로 발견되었을 재사용 유닛의 최소 비율"),
            (
                "plain scale",
                "이름이 같은 텐서의 코사인 평균을 정해진 문턱값으로 읽은 것",
            ),
        ]
    }

    fn heading(&self, heading: Heading) -> &'static str {
        match heading {
            Heading::Adapter => "어댑터가 바꾸는 것",
            Heading::ArchFacts => "구조 정보",
            Heading::Bases => "비교 대상 모델",
            Heading::Blocks => "블록",
            Heading::Comparable => "가중치를 비교할 수 있는가?",
            Heading::Components => "구성 요소",
            Heading::Conclusion => "결론",
            Heading::Config => "config.json",
            Heading::Conflicts => "대상 모델의 config.json과 텐서가 어긋나는 항목",
            Heading::Controls => "대조군: 기준 모델끼리의 비교",
            Heading::Coordinates => "주좌표: 가까운 점일수록 가중치가 비슷함",
            Heading::Coverage => "비교 범위: 상대 쪽에 대응이 있는 파라미터",
            Heading::Criteria => "원 문서의 판정 기준",
            Heading::Digests => "모델 다이제스트 (wcmp hash 출력의 SHA-256)",
            Heading::Evidence => "증거, 강한 순서",
            Heading::Experts => "내용으로 짝지은 expert (대상 ← 기준)",
            Heading::Figures => "수치 (코사인 유사도)",
            Heading::Glossary => "판정의 뜻",
            Heading::Identical => "동일한 텐서",
            Heading::LayerMap => "레이어 대응 (대상 ← 기준)",
            Heading::Mixture => "혼합: 기준 모델의 가중합으로 본 대상 모델",
            Heading::MixtureParts => "역할별·레이어별",
            Heading::LayerOrigins => "레이어의 출처",
            Heading::Relatives => "친척 모델: 어느 기준 모델이 가장 가까운가",
            Heading::NotTestable => "검사할 수 없었던 것",
            Heading::Notes => "참고",
            Heading::Origin => "원 문서의 해석",
            Heading::Parts => "대상 모델의 부분별 판정 (행렬 파라미터 기준)",
            Heading::Permutation => "순열 검정",
            Heading::Ranking => "순위, 증거가 강한 순서",
            Heading::Reproduce => "재현 방법",
            Heading::Roles => "역할",
            Heading::Subspaces => "주부분공간",
            Heading::Tokenizer => "토크나이저",
            Heading::Transformations => "확인된 변환",
            Heading::Unmatched => "대응이 없는 텐서",
            Heading::Verdict => "판정",
            Heading::Pictures => "그림",
            Heading::Words => "용어 설명",
        }
    }

    fn term(&self, term: Term) -> &'static str {
        match term {
            Term::Agreement => "일치 여부",
            Term::AllParameters => "전체 파라미터",
            Term::Alpha => "alpha",
            Term::Approximate => "근사",
            Term::Architecture => "구조",
            Term::Base => "기준",
            Term::Block => "블록",
            Term::Bound => "한계값",
            Term::Bytes => "바이트",
            Term::Centred => "평균 제거",
            Term::Class => "분류",
            Term::Comparable => "비교 가능",
            Term::Component => "구성 요소",
            Term::Confidence => "확신도",
            Term::ConfigJson => "config.json",
            Term::Cosine => "유사도",
            Term::Cosines => "유사도",
            Term::CouldBe => "필요한 변경",
            Term::Covered => "비교 범위",
            Term::Criterion => "기준 항목",
            Term::Differs => "다름",
            Term::Dimension => "차원",
            Term::Disclosed => "담긴 파라미터",
            Term::Document => "원 문서",
            Term::Dtype => "자료형",
            Term::Equal => "동일",
            Term::EqualShape => "형상 일치",
            Term::Exact => "정확",
            Term::Excess => "초과분",
            Term::ExcessToTarget => "대상과의 초과분",
            Term::Expected => "기댓값",
            Term::Field => "항목",
            Term::Files => "파일",
            Term::Finding => "확인 내용",
            Term::Form => "방식",
            Term::Found => "발견",
            Term::HighestToBase => "기준끼리의 최대",
            Term::Hits => "적중",
            Term::Holds => "충족",
            Term::Identical => "동일",
            Term::InEqualShapes => "같은 형상",
            Term::K => "k",
            Term::Label => "판정",
            Term::Largest => "최대",
            Term::Layer => "레이어",
            Term::Layers => "레이어",
            Term::LeastLog10P => "최소 log10 p",
            Term::Library => "라이브러리",
            Term::LeftOut => "제외",
            Term::LeftAside => "제외",
            Term::Log10P => "log10 p",
            Term::Matrices => "행렬",
            Term::MatricesCovered => "대응 행렬",
            Term::Matrix => "행렬",
            Term::Mean => "평균",
            Term::MeanCosine => "평균 유사도",
            Term::Meaning => "뜻",
            Term::MedianChange => "변화 중앙값",
            Term::Missing => "없음",
            Term::Model => "모델",
            Term::ModelDigest => "모델 다이제스트",
            Term::Name => "이름",
            Term::NameInTarget => "대상에서의 이름",
            Term::Names => "이름",
            Term::New => "추가",
            Term::Norms => "norm",
            Term::NotTaken => "계산 안 함",
            Term::NotTested => "미검사",
            Term::Number => "수치",
            Term::OfEach => "각각",
            Term::OfTheBase => "기준 대비",
            Term::OfTheTarget => "대상 대비",
            Term::Overlap => "겹침",
            Term::Parameters => "파라미터",
            Term::Parts => "부분",
            Term::Path => "경로",
            Term::Pattern => "패턴",
            Term::Permutation => "순열 검정",
            Term::Probes => "표본",
            Term::Quantization => "양자화",
            Term::Rank => "랭크",
            Term::Reads => "해석",
            Term::Reasons => "이유",
            Term::Relation => "관계",
            Term::Role => "역할",
            Term::Scale => "배율",
            Term::Sha256 => "SHA-256",
            Term::Shape => "형상",
            Term::Share => "비율",
            Term::Side => "방향",
            Term::Size => "크기",
            Term::SpeaksFor => "뒷받침",
            Term::Storage => "저장 방식",
            Term::Subspaces => "부분공간",
            Term::Supports => "뒷받침",
            Term::Target => "대상",
            Term::Tensors => "텐서",
            Term::Tests => "검정",
            Term::ThisPair => "이 쌍",
            Term::Tokenizer => "토크나이저",
            Term::Unexplained => "설명되지 않음",
            Term::Units => "유닛",
            Term::UnmatchedTensors => "대응 없는 텐서",
            Term::Verdict => "판정",
            Term::Via => "비교 방법",
            Term::Weights => "가중치",
            Term::Which => "해당 부분",
            Term::Why => "이유",
            Term::Word => "낱말",
            Term::Change => "변화",
            Term::UnitsInPlace => "제자리 유닛",
            Term::Reused => "재사용",
            Term::Chance => "우연 확률",
            Term::SeenBy => "확인 방법",
            Term::Controls => "대조군",
            Term::Relatives => "친척 모델",
            Term::Kinship => "관계",
            Term::Nearer => "더 가까운 기준",
            Term::BaseLayer => "그 레이어",
            Term::PlainScale => "단순 평균",
            Term::Least => "최소",
            Term::Median => "중앙값",
        }
    }

    fn remark(&self, remark: Remark) -> &'static str {
        match remark {
            Remark::AdapterCoverage => {
                "어댑터의 인수 행렬과 그것이 바꾸는 텐서는 서로 대응이 아닙니다. 아래를 보십시오."
            }
            Remark::AdapterChange => {
                "변화: ‖W' − W‖ / ‖W‖. W는 기준 모델의 행렬, W'는 변화가 더해진 행렬입니다."
            }
            Remark::Bars => "막대: 행렬의 코사인 유사도. 비어 있으면 0, 가득 차면 1입니다.",
            Remark::Layers => {
                "norm gain은 무관한 모델에서도 1에 가까우므로 그 자체로는 증거가 되지 않습니다. 동일: 바이트가 같은 텐서."
            }
            Remark::NoFinding => "확인된 것이 없음: 검사할 수 있는 것이 없었습니다.",
            Remark::NoBand => "해당하는 행 없음: 평균 유사도가 없습니다.",
            Remark::Shapes => {
                "형상이 다르다고 해서 from scratch의 증거가 되지 않으며, 같다고 해서 같은 출처의 증거가 되지 않습니다."
            }
            Remark::Relatives => {
                "모델들의 차이가 이루는 각으로 판단함. 따로 진행된 학습은 거의 직각 방향으로 움직이기 \
                 때문임. 주어지지 않은 모델 가까이에 있는 모델도 같은 각을 이루므로, 가장 가까운 모델이 \
                 부모라는 뜻은 아님."
            }
            Remark::Controls => {
                "서로 무관하다고 알려진 기준 모델들은, 이 형상의 무관한 모델이 어느 정도 수치를 보이는지 알려 줍니다."
            }
            Remark::IdenticalMark => "= 표시는 자료형, 형상, 바이트가 모두 같은 텐서입니다.",
            Remark::EqualFact => "대상 모델과 같음.",
            Remark::MeanCosine => "모든 쌍을 하나씩 센 평균: 원 문서의 수치",
            Remark::MatrixCosine => "행렬의 파라미터 가중 평균",
            Remark::Excess => "무작위 순서가 주는 값을 넘는 부분. 무관하면 0에 가까움",
            Remark::NormCosine => "norm gain과 bias의 평균",
            Remark::Centred => "각 평균을 뺀 값",
            Remark::Informative => "이 가운데 정보가 있는 텐서 (상수와 버퍼 제외)",
        }
    }
}
