//! Same inputs, same bytes, whatever process renders them.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests may")]

mod support;

use std::collections::BTreeMap;

use proptest::prelude::*;
use support::{renderer, request, text, tree};
use tiphys_api::TeraSource;
use tiphys_render::Options;

/// Prints everything in which an order could show.
const TEMPLATE: &str = r#"
{% component open(...rest) %}{{ rest | to_json }}{% endcomponent open %}
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  printed: {{ "" ~ values | quote }}
  json: {{ values | to_json | quote }}
  yaml: {{ values | to_yaml | quote }}
  keys: {{ values | keys | join(sep=",") | quote }}
  pairs: {{ values | pairs | to_json | quote }}
  loop: "{% for key, value in values %}{{ key }};{% endfor %}"
  merged: {{ values | merge(with={"zz": 1, "aa": 2}) | to_json | quote }}
  spread: {{ "" ~ {"q": 1, ...values, "b": 2} | quote }}
  component: {{ <open z={1} y={2} x={3} w={4} {...values}/> | quote }}
  files: "{% for path, content in files %}{{ path }};{% endfor %}"
  grouped: {{ "" ~ [{"k": "z", "v": 1}, {"k": "a", "v": 2}, {"k": "m", "v": 3}] | group_by(attribute="k") | quote }}
"#;

fn scalars() -> impl Strategy<Value = serde_json::Value> {
    prop_oneof![
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i32>().prop_map(serde_json::Value::from),
        "[ -~äß\n]{0,12}".prop_map(serde_json::Value::from),
    ]
}

fn values() -> impl Strategy<Value = BTreeMap<String, serde_json::Value>> {
    let nested = scalars().prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-z]{1,8}", nested, 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn equal_inputs_give_equal_bytes(values in values()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let render = || runtime.block_on(async {
            let tree = tree(&[
                ("chart/Chart.yaml", "name: demo\nversion: 1.0.0\n"),
                ("chart/b.txt", "b"),
                ("chart/a.txt", "a"),
                ("chart/templates/main.yaml.tera", TEMPLATE),
            ]);
            let mut request = request(tree);
            let values = values.clone().into_iter().collect();
            request.options = Options::Tera(TeraSource { values, ..TeraSource::default() });
            // A renderer of its own has a process of its own, with other seeds for its hash tables.
            renderer().render(request).await.unwrap()
        });
        let (first, second) = (render(), render());
        prop_assert_eq!(first.digest, second.digest);
        prop_assert_eq!(text(&first), text(&second));
    }
}

#[tokio::test]
async fn the_digest_is_of_the_manifests_not_of_their_place() {
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {b: c, a: b}}\n";
    let reordered =
        "# elsewhere\nkind: ConfigMap\nmetadata: {labels: {a: b, b: c}, name: a}\napiVersion: v1\n";
    let other = manifest.replace("a: b", "a: c");
    let renderer = renderer();
    let mut digests = Vec::new();
    for (file, text) in [("chart/a.yaml", manifest), ("chart/z.yaml", reordered), ("chart/a.yaml", &other)] {
        digests.push(renderer.render(request(tree(&[(file, text)]))).await.unwrap().digest);
    }
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
    assert!(digests[0].to_string().starts_with("sha256:"));
}
