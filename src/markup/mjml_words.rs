//! The words of MJML: where each may stand and which attributes it has. The compiler drops
//! what it does not know without a word, so the list here is what makes a slip visible.

/// What stands in an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// Nothing.
    Nothing,
    /// These elements.
    Elements(&'static [&'static str]),
    /// Text and HTML.
    Html,
}

/// An element of MJML.
pub(super) struct Element {
    /// Its name.
    pub(super) name: &'static str,
    /// What stands in it.
    pub(super) inside: Inside,
    /// Its attributes besides [`COMMON`].
    pub(super) attributes: &'static [&'static str],
    /// Whether it has a padding.
    padded: bool,
}

/// Attributes that every element of the body has.
const COMMON: &[&str] = &["css-class", "mj-class"];
const PADDING: &[&str] =
    &["padding", "padding-top", "padding-right", "padding-bottom", "padding-left"];

/// What may stand in a column.
const CONTENTS: &[&str] = &[
    "mj-text",
    "mj-button",
    "mj-image",
    "mj-divider",
    "mj-spacer",
    "mj-table",
    "mj-raw",
    "mj-social",
    "mj-navbar",
    "mj-accordion",
    "mj-carousel",
];

/// A look for letters.
macro_rules! with_font {
    ($($more:literal),* $(,)?) => {
        &["color", "font-family", "font-size", "font-style", "font-weight", "letter-spacing",
          "line-height", "text-decoration", "text-transform", $($more),*]
    };
}

/// The same with a frame.
macro_rules! with_border {
    ($($more:literal),* $(,)?) => {
        &["background-color", "border", "border-top", "border-right", "border-bottom",
          "border-left", "border-radius", $($more),*]
    };
}

const fn element(
    name: &'static str,
    inside: Inside,
    attributes: &'static [&'static str],
) -> Element {
    Element { name, inside, attributes, padded: true }
}

const fn bare(name: &'static str, inside: Inside, attributes: &'static [&'static str]) -> Element {
    Element { name, inside, attributes, padded: false }
}

/// Every element.
pub(super) const ELEMENTS: &[Element] = &[
    bare("mjml", Inside::Elements(&["mj-head", "mj-body"]), &["lang", "dir", "owa"]),
    bare(
        "mj-head",
        Inside::Elements(&[
            "mj-title",
            "mj-preview",
            "mj-attributes",
            "mj-breakpoint",
            "mj-style",
            "mj-raw",
        ]),
        &[],
    ),
    bare("mj-title", Inside::Html, &[]),
    bare("mj-preview", Inside::Html, &[]),
    bare("mj-attributes", Inside::Elements(&[]), &[]),
    bare("mj-all", Inside::Nothing, &[]),
    bare("mj-class", Inside::Elements(&[]), &["name"]),
    bare("mj-breakpoint", Inside::Nothing, &["width"]),
    bare("mj-style", Inside::Html, &["inline"]),
    bare(
        "mj-body",
        Inside::Elements(&["mj-section", "mj-wrapper", "mj-hero", "mj-raw"]),
        &["background-color", "width"],
    ),
    element(
        "mj-wrapper",
        Inside::Elements(&["mj-section", "mj-hero", "mj-raw"]),
        with_border![
            "background-position",
            "background-repeat",
            "background-size",
            "background-url",
            "full-width",
            "text-align",
            "direction",
        ],
    ),
    element(
        "mj-section",
        Inside::Elements(&["mj-column", "mj-group", "mj-raw"]),
        with_border![
            "background-position",
            "background-position-x",
            "background-position-y",
            "background-repeat",
            "background-size",
            "background-url",
            "direction",
            "full-width",
            "text-align",
            "text-padding",
        ],
    ),
    element(
        "mj-group",
        Inside::Elements(&["mj-column", "mj-raw"]),
        &["background-color", "direction", "vertical-align", "width"],
    ),
    element(
        "mj-column",
        Inside::Elements(CONTENTS),
        with_border![
            "direction",
            "inner-background-color",
            "inner-border",
            "inner-border-top",
            "inner-border-right",
            "inner-border-bottom",
            "inner-border-left",
            "inner-border-radius",
            "vertical-align",
            "width",
        ],
    ),
    element(
        "mj-hero",
        Inside::Elements(CONTENTS),
        &[
            "background-color",
            "background-height",
            "background-position",
            "background-url",
            "background-width",
            "border-radius",
            "height",
            "inner-background-color",
            "inner-padding",
            "inner-padding-top",
            "inner-padding-right",
            "inner-padding-bottom",
            "inner-padding-left",
            "mode",
            "vertical-align",
            "width",
            "align",
        ],
    ),
    element(
        "mj-text",
        Inside::Html,
        with_font!["align", "container-background-color", "height", "vertical-align"],
    ),
    element(
        "mj-button",
        Inside::Html,
        &[
            "align",
            "background-color",
            "border",
            "border-top",
            "border-right",
            "border-bottom",
            "border-left",
            "border-radius",
            "color",
            "container-background-color",
            "font-family",
            "font-size",
            "font-style",
            "font-weight",
            "height",
            "href",
            "inner-padding",
            "letter-spacing",
            "line-height",
            "name",
            "rel",
            "target",
            "text-align",
            "text-decoration",
            "text-transform",
            // Not "title": mrml loses it.
            "vertical-align",
            "width",
        ],
    ),
    element(
        "mj-image",
        Inside::Nothing,
        &[
            "align",
            "alt",
            "border",
            "border-top",
            "border-right",
            "border-bottom",
            "border-left",
            "border-radius",
            "container-background-color",
            "fluid-on-mobile",
            "font-size",
            "height",
            "href",
            "max-height",
            "name",
            "rel",
            "sizes",
            "src",
            "target",
            "title",
            "usemap",
            "width",
        ],
    ),
    element(
        "mj-divider",
        Inside::Nothing,
        &[
            "align",
            "border-color",
            "border-style",
            "border-width",
            "container-background-color",
            "width",
        ],
    ),
    element("mj-spacer", Inside::Nothing, &["container-background-color", "height"]),
    element(
        "mj-table",
        Inside::Html,
        &[
            "align",
            "border",
            "cellpadding",
            "cellspacing",
            "color",
            "container-background-color",
            "font-family",
            "font-size",
            "line-height",
            "role",
            "table-layout",
            "width",
        ],
    ),
    bare("mj-raw", Inside::Html, &["position"]),
    element(
        "mj-social",
        Inside::Elements(&["mj-social-element", "mj-raw"]),
        with_font![
            "align",
            "border-radius",
            "container-background-color",
            "icon-height",
            "icon-padding",
            "icon-size",
            "inner-padding",
            "mode",
            "table-layout",
            "text-padding",
            "vertical-align",
        ],
    ),
    element(
        "mj-social-element",
        Inside::Html,
        with_font![
            "align",
            "alt",
            "background-color",
            "border-radius",
            "href",
            "icon-height",
            "icon-padding",
            "icon-position",
            "icon-size",
            "name",
            "rel",
            "src",
            "target",
            "text-padding",
            "title",
            "vertical-align",
        ],
    ),
    element(
        "mj-navbar",
        Inside::Elements(&["mj-navbar-link", "mj-raw"]),
        &["align", "base-url", "hamburger", "ico-align", "ico-color", "ico-font-size"],
    ),
    element("mj-navbar-link", Inside::Html, with_font!["href", "name", "rel", "target"]),
    element(
        "mj-accordion",
        Inside::Elements(&["mj-accordion-element", "mj-raw"]),
        &[
            "border",
            "container-background-color",
            "font-family",
            "icon-align",
            "icon-height",
            "icon-position",
            "icon-width",
            "icon-wrapped-alt",
            "icon-wrapped-url",
            "icon-unwrapped-alt",
            "icon-unwrapped-url",
        ],
    ),
    bare(
        "mj-accordion-element",
        Inside::Elements(&["mj-accordion-title", "mj-accordion-text", "mj-raw"]),
        &[
            "background-color",
            "border",
            "font-family",
            "icon-align",
            "icon-height",
            "icon-position",
            "icon-width",
        ],
    ),
    element(
        "mj-accordion-title",
        Inside::Html,
        &["background-color", "color", "font-family", "font-size", "font-weight"],
    ),
    element("mj-accordion-text", Inside::Html, with_font!["background-color"]),
    element(
        "mj-carousel",
        Inside::Elements(&["mj-carousel-image"]),
        &[
            "align",
            "border-radius",
            "container-background-color",
            "icon-width",
            "left-icon",
            "right-icon",
            "tb-border",
            "tb-border-radius",
            "tb-hover-border-color",
            "tb-selected-border-color",
            "tb-width",
            "thumbnails",
        ],
    ),
    bare(
        "mj-carousel-image",
        Inside::Nothing,
        &[
            "alt",
            "border-radius",
            "href",
            "rel",
            "src",
            "target",
            "tb-border",
            "tb-border-radius",
            "thumbnails-src",
            "title",
        ],
    ),
];

impl Element {
    /// Its attributes.
    pub(super) fn all(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        let in_body = self.padded || self.name.starts_with("mj-") && self.name != "mj-head";
        let common = if in_body { COMMON } else { &[] };
        let padding = if self.padded { PADDING } else { &[] };
        self.attributes.iter().chain(common).chain(padding).copied()
    }
}

/// The element of that name.
pub(super) fn find(name: &str) -> Option<&'static Element> {
    ELEMENTS.iter().find(|element| element.name == name)
}
