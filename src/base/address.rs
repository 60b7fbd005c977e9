//! E-mail addresses as names of people. One mailbox is written in many ways: in capitals, and
//! with its domain in its own letters or in the ASCII form that mail servers know. Whoever is
//! looked up by an address is looked up by one spelling of it, whichever was typed.

/// What the ASCII form of a label that has other letters begins with.
const CODED: &str = "xn--";

/// The spelling by which a person is known: trimmed, in small letters, the domain in its own
/// letters. A domain that is none stays as it was typed.
#[must_use]
pub fn person(address: &str) -> String {
    let lower = address.trim().to_lowercase();
    let Some((user, domain)) = lower.rsplit_once('@') else { return lower };
    if domain.is_ascii() && !domain.contains(CODED) {
        return lower;
    }
    match idna::domain_to_unicode(domain) {
        (domain, Ok(())) => format!("{user}@{domain}"),
        (_, Err(_)) => lower,
    }
}

/// The spellings of a [person]: theirs, and the one with the domain in its ASCII form, which
/// e-mails and mail servers write, where that is another.
#[must_use]
pub fn spellings(person: &str) -> Vec<String> {
    let coded = person.rsplit_once('@').and_then(|(user, domain)| {
        let coded = ascii_domain(domain).filter(|coded| coded != domain)?;
        Some(format!("{user}@{coded}"))
    });
    std::iter::once(person.to_owned()).chain(coded).collect()
}

/// A domain in the ASCII form that mail servers know; none where it has none.
#[must_use]
pub fn ascii_domain(domain: &str) -> Option<String> {
    idna::domain_to_ascii_strict(domain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_has_one_name_however_it_is_typed() {
        for typed in [
            "ann@müller.example",
            " Ann@MÜLLER.example ",
            "ann@xn--mller-kva.example",
            "ANN@XN--MLLER-KVA.EXAMPLE",
            "ann@mu\u{308}ller.example",
        ] {
            assert_eq!(person(typed), "ann@müller.example", "{typed}");
        }
        assert_eq!(person(" Sarah@Example.com "), "sarah@example.com");
        assert_eq!(ascii_domain("müller.example").as_deref(), Some("xn--mller-kva.example"));
    }

    #[test]
    fn what_is_no_domain_stays_and_a_name_is_its_own_name() {
        for typed in ["order-7", "", "@", "a@", "a@xn--\u{fc}", "a@xn--a-.example", "a@b c"] {
            assert_eq!(person(typed), typed, "{typed}");
        }
        for typed in ["a@faß.example", "a@FASS.example", "a@日本。example", "a@x.xn--p1ai"] {
            let once = person(typed);
            assert_eq!(person(&once), once, "{typed}");
        }
    }
}
