//! The stable word of every mistake, in one place: programs filter by them, `explain`
//! looks them up, and tests name them.

macro_rules! codes {
    ($($(#[doc = $about:literal])+ $name:ident = $word:literal;)+) => {
        $($(#[doc = $about])+ pub const $name: &str = $word;)+

        const ALL: &[(&str, &str)] = &[$(($word, concat!($($about),+))),+];
    };
}

/// Every code with what it means, in one sentence.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter().map(|(code, about)| (*code, about.trim()))
}

/// What a code means, in one sentence.
#[must_use]
pub fn about(code: &str) -> Option<&'static str> {
    all().find(|(known, _)| *known == code).map(|(_, about)| about)
}

codes! {
    /// A sign is missing, or stands where it means nothing.
    SYNTAX = "syntax";
    /// The file is too long or nested too deeply.
    LIMIT = "limit";
    /// `true`, `false` or `null` without `#`.
    BARE_KEYWORD = "bare-keyword";
    /// A web address without quotation marks: everything after `//` would be a comment.
    UNQUOTED_URL = "unquoted-url";
    /// A duration without quotation marks.
    UNQUOTED_DURATION = "unquoted-duration";
    /// An IP address without quotation marks.
    UNQUOTED_ADDRESS = "unquoted-address";
    /// A text that needs quotation marks.
    UNQUOTED_TEXT = "unquoted-text";
    /// A guard without quotation marks.
    UNQUOTED_GUARD = "unquoted-guard";
    /// A text in single quotation marks.
    SINGLE_QUOTES = "single-quotes";
    /// A text in quotation marks that are made for print.
    PRINTED_QUOTES = "printed-quotes";
    /// Other files were not checked against a file that cannot be read.
    NOT_ALL_CHECKED = "not-all-checked";
    /// A word that the language does not have.
    UNKNOWN_WORD = "unknown-word";
    /// A word at a place where it means nothing.
    MISPLACED = "misplaced";
    /// A property that the word does not have.
    UNKNOWN_PROPERTY = "unknown-property";
    /// A word or a value that is part of the language and not built yet.
    COMES_LATER = "comes-later";
    /// A name, value or property that must be there.
    MISSING = "missing";
    /// More values than the word takes.
    TOO_MANY = "too-many";
    /// The same word, property or name twice where it may stand once.
    DUPLICATE = "duplicate";
    /// A value of another kind than the word takes.
    WRONG_TYPE = "wrong-type";
    /// One of a few words was expected.
    UNKNOWN_CHOICE = "unknown-choice";
    /// A name that cannot be used as one.
    BAD_NAME = "bad-name";
    /// A number outside its range.
    OUT_OF_RANGE = "out-of-range";
    /// A wait that cannot be read.
    BAD_DURATION = "bad-duration";
    /// A moment that cannot be read.
    BAD_TIME = "bad-time";
    /// A time zone that does not exist.
    BAD_ZONE = "bad-zone";
    /// A network that is not in CIDR form.
    BAD_NETWORK = "bad-network";
    /// An origin that browsers would never send.
    BAD_ORIGIN = "bad-origin";
    /// An e-mail address that no mail could reach.
    BAD_EMAIL = "bad-email";
    /// A web address that cannot be called.
    BAD_URL = "bad-url";
    /// A path or a header name that HTTP does not allow.
    BAD_ADDRESS = "bad-address";
    /// A rate that cannot be read.
    BAD_RATE = "bad-rate";
    /// A secret that is written into a rule file.
    SECRET_IN_FILE = "secret-in-file";
    /// A schema that nobody declares.
    UNKNOWN_SCHEMA = "unknown-schema";
    /// A record that nobody saves or declares.
    UNKNOWN_RECORD = "unknown-record";
    /// A service that nobody declares.
    UNKNOWN_SERVICE = "unknown-service";
    /// A service of a type that cannot do this.
    WRONG_SERVICE = "wrong-service";
    /// A sequence that nobody declares.
    UNKNOWN_SEQUENCE = "unknown-sequence";
    /// An event that nobody declares.
    UNKNOWN_EVENT = "unknown-event";
    /// An endpoint that nobody declares.
    UNKNOWN_ENDPOINT = "unknown-endpoint";
    /// An e-mail that no sequence sends.
    UNKNOWN_EMAIL = "unknown-email";
    /// A test that expects nothing.
    NO_EXPECTATION = "no-expectation";
    /// What a test expects does not happen, or happens otherwise.
    NOT_MET = "not-met";
    /// Something happens that no line of a test expects.
    UNEXPECTED = "unexpected";
    /// A file that is not there.
    UNKNOWN_FILE = "unknown-file";
    /// A field that an event needs and does not get.
    MISSING_FIELD = "missing-field";
    /// A field whose type does not fit where it goes.
    FIELD_TYPE = "field-type";
    /// A field option that its type does not have, or that contradicts another.
    FIELD_OPTION = "field-option";
    /// A JSON Schema file that cannot be used.
    BAD_JSON_SCHEMA = "bad-json-schema";
    /// An example that its own schema refuses.
    EXAMPLE_REFUSED = "example-refused";
    /// A guard or text that fails with the schema's own examples.
    EXAMPLE_FAILS = "example-fails";
    /// A `{{tag}}` where the place must be known beforehand.
    TAG_NOT_ALLOWED = "tag-not-allowed";
    /// Two addresses that are the same.
    ADDRESS_TAKEN = "address-taken";
    /// An address that rulerun needs for itself.
    ADDRESS_RESERVED = "address-reserved";
    /// A step that stands where it cannot work.
    STEP_ORDER = "step-order";
    /// A variant of an e-mail that is the e-mail itself, or that leaves nobody for it.
    BAD_VARIANT = "bad-variant";
    /// A language that does not exist, or in which no text is written.
    UNKNOWN_LOCALE = "unknown-locale";
    /// An e-mail or a sequence of which only a part is in a language.
    HALF_TRANSLATED = "half-translated";
    /// A text in another language that nothing uses.
    UNUSED_TEXT = "unused-text";
    /// A step that can never happen.
    UNREACHABLE = "unreachable";
    /// A guard that always gives the same answer.
    CONSTANT_GUARD = "constant-guard";
    /// A timed step that comes before the one above it.
    OUT_OF_ORDER = "out-of-order";
    /// Days, hours, holidays or a spread that a window cannot have.
    BAD_WINDOW = "bad-window";
    /// A window that never opens.
    NEVER_OPENS = "never-opens";
    /// A step that is too late before its window opens again.
    WINDOW_SKIPS = "window-skips";
    /// A window whose hours are those of UTC because nobody names a time zone.
    WINDOW_IN_UTC = "window-in-utc";
    /// A sequence that nothing starts.
    UNUSED_SEQUENCE = "unused-sequence";
    /// A marketing sequence that nothing can end.
    NEVER_STOPPED = "never-stopped";
    /// A goal that counts for longer than the e-mails before it are kept.
    GOAL_OUTLASTS = "goal-outlasts";
    /// A call that starts a sequence and ends it, too.
    ENDED_BY_START = "ended-by-start";
    /// A subject that mail providers take for spam.
    SPAM_SUBJECT = "spam-subject";
    /// E-mails that one domain signs and another one sends.
    DKIM_NOT_ALIGNED = "dkim-not-aligned";
    /// A public endpoint that anybody may call.
    UNSIGNED_ENDPOINT = "unsigned-endpoint";
    /// A secret that can be guessed, or that everybody on the machine can read.
    WEAK_KEY = "weak-key";
    /// A variable of the environment that is set and that no rule reads.
    NO_EFFECT = "no-effect";
    /// A value that rules look up and that is set nowhere.
    MISSING_SETTING = "missing-setting";
    // Guards and texts know nothing of the language above them: they write these themselves.
    /// A guard that cannot be read.
    GUARD_SYNTAX = "guard-syntax";
    /// A guard without anything in it.
    GUARD_EMPTY = "guard-empty";
    /// A guard that names a field which is not there.
    GUARD_UNKNOWN_NAME = "guard-unknown-name";
    /// A guard that uses a function which is not there.
    GUARD_UNKNOWN_FUNCTION = "guard-unknown-function";
    /// A function of a guard with too few, too many or unfit values.
    GUARD_ARGUMENTS = "guard-arguments";
    /// A guard that compares things which can never be the same.
    GUARD_TYPES = "guard-types";
    /// A guard that uses a field which may be missing.
    GUARD_OPTIONAL = "guard-optional";
    /// A guard that answers something else than yes or no.
    GUARD_NOT_YES_NO = "guard-not-yes-no";
    /// A guard that is too long or nested too deeply.
    GUARD_TOO_DEEP = "guard-too-deep";
    /// A tag that cannot be read.
    TEMPLATE_SYNTAX = "template-syntax";
    /// Something in a tag that texts must not do.
    TEMPLATE_FORBIDDEN = "template-forbidden";
    /// A tag that reckons with something that is no number.
    TEMPLATE_TYPE = "template-type";
    /// A tag that names a field which is not there.
    UNKNOWN_FIELD = "unknown-field";
    /// A filter that does not exist.
    UNKNOWN_FILTER = "unknown-filter";
    /// A tag of a field that may be missing.
    OPTIONAL_WITHOUT_DEFAULT = "optional-without-default";

    // What `review` finds when it reads e-mails as people and mail providers do.
    /// An e-mail that cannot be made, or not for everybody.
    EMAIL_FAILS = "email-fails";
    /// A stand-in such as `[FIRST NAME]` that nobody replaces.
    PLACEHOLDER = "placeholder";
    /// A sender that mail providers distrust.
    SPAM_SENDER = "spam-sender";
    /// A subject that phones cut off.
    LONG_SUBJECT = "long-subject";
    /// Two e-mails of a sequence with the same subject.
    SAME_SUBJECT = "same-subject";
    /// A link or an image that is left out, or that opens nothing.
    DEAD_LINK = "dead-link";
    /// A link that mail providers distrust.
    SUSPICIOUS_LINK = "suspicious-link";
    /// More links than a letter has.
    MANY_LINKS = "many-links";
    /// An image without words for those who do not see it.
    SILENT_IMAGE = "silent-image";
    /// An e-mail that is hardly more than images.
    IMAGE_ONLY = "image-only";
    /// An e-mail in HTML with a plain text that says much less than it.
    THIN_TEXT = "thin-text";
    /// A text in an e-mail that nobody sees.
    HIDDEN_TEXT = "hidden-text";
    /// HTML or MJML that cannot be read.
    HTML_SYNTAX = "html-syntax";
    /// HTML that no mail program carries out.
    UNSAFE_HTML = "unsafe-html";
    /// A word or an attribute that MJML does not have, or that stands where it means nothing.
    UNKNOWN_MJML = "unknown-mjml";
    /// Files with an e-mail that are too large.
    LARGE_ATTACHMENT = "large-attachment";
    /// HTML in an e-mail's text, which readers will see as it is written.
    HTML_AS_TEXT = "html-as-text";
    /// An e-mail so large that its end is cut off.
    LARGE_EMAIL = "large-email";
    /// E-mails that reach the same person within half a day.
    CROWDED_SEQUENCE = "crowded-sequence";
    /// An e-mail that the caps of its own sequence always make too late.
    CAP_SKIPS = "cap-skips";
    /// Marketing and transactional e-mail through the same one of several mail services.
    MIXED_MAIL = "mixed-mail";
    /// Something that a mail provider does in its own way.
    MAIL_PROVIDER = "mail-provider";
    /// What must be right before real e-mail leaves this machine.
    REAL_MAIL = "real-mail";
}
