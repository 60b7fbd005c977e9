//! The few words that are not an e-mail's author's: the link in the footer, and the page
//! behind it. Whoever speaks another language than these reads English.

use crate::model::rules::chain;

/// Our own words in one language. Where a name goes is written `{}`.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// The language, as HTML names it.
    pub language: &'static str,
    /// The link in the footer.
    pub unsubscribe: &'static str,
    /// The title of the page.
    pub title: &'static str,
    /// To somebody (their address stands before it) who gets everything, with a sequence's name.
    pub gets_all: &'static str,
    /// To somebody who has left one sequence, with its name.
    pub gets_others: &'static str,
    /// To somebody who gets nothing.
    pub gets_none: &'static str,
    /// Why that cannot be changed: e-mails came back.
    pub came_back: &'static str,
    /// Why that cannot be changed: somebody took them off the list.
    pub taken_off: &'static str,
    /// The button that leaves one sequence.
    pub stop_these: &'static str,
    /// The button that leaves everything.
    pub stop_all: &'static str,
    /// The button that brings one sequence back.
    pub join_these: &'static str,
    /// The button that brings everything back.
    pub join_all: &'static str,
    /// For a link that is not one of ours.
    pub no_link: &'static str,
    /// For a form that says nothing that we know.
    pub not_understood: &'static str,
}

/// Our words in a language, or in the nearest to it that we have; English in the end.
#[must_use]
pub fn words(locale: Option<&str>) -> &'static Words {
    let known = |language: &str| ALL.iter().find(|words| words.language == language);
    locale.into_iter().flat_map(chain).find_map(known).unwrap_or(&ALL[0])
}

const ALL: [Words; 8] = [
    Words {
        language: "en",
        unsubscribe: "Unsubscribe",
        title: "Your e-mails",
        gets_all: "gets our e-mails, among them {}.",
        gets_others: "gets no more e-mails of {}. Others may still come.",
        gets_none: "gets no more of these e-mails.",
        came_back: "gets no more of these e-mails, because e-mails to it came back. Write to us \
                    if it works again.",
        taken_off: "gets no more of these e-mails, because it was taken off our list. Write to \
                    us to change that.",
        stop_these: "Stop these e-mails only",
        stop_all: "Stop all e-mails",
        join_these: "Get these e-mails again",
        join_all: "Get our e-mails again",
        no_link: "This link does not work. Please copy the whole link from the e-mail, or open \
                  it in the newest e-mail that you got.",
        not_understood: "This was not understood, and nothing was changed. Please open the link \
                         again.",
    },
    Words {
        language: "de",
        unsubscribe: "Abmelden",
        title: "Ihre E-Mails",
        gets_all: "bekommt unsere E-Mails, darunter {}.",
        gets_others: "bekommt keine E-Mails von {} mehr. Andere können noch kommen.",
        gets_none: "bekommt keine dieser E-Mails mehr.",
        came_back: "bekommt keine dieser E-Mails mehr, weil E-Mails an diese Adresse \
                    zurückgekommen sind. Schreiben Sie uns, wenn sie wieder erreichbar ist.",
        taken_off: "bekommt keine dieser E-Mails mehr, weil die Adresse von unserer Liste \
                    genommen wurde. Schreiben Sie uns, um das zu ändern.",
        stop_these: "Nur diese E-Mails abbestellen",
        stop_all: "Alle E-Mails abbestellen",
        join_these: "Diese E-Mails wieder bekommen",
        join_all: "Unsere E-Mails wieder bekommen",
        no_link: "Dieser Link funktioniert nicht. Bitte kopieren Sie den ganzen Link aus der \
                  E-Mail, oder öffnen Sie ihn in der neuesten E-Mail, die Sie bekommen haben.",
        not_understood: "Das wurde nicht verstanden, und nichts wurde geändert. Bitte öffnen Sie \
                         den Link noch einmal.",
    },
    Words {
        language: "fr",
        unsubscribe: "Se désabonner",
        title: "Vos e-mails",
        gets_all: "reçoit nos e-mails, dont {}.",
        gets_others: "ne reçoit plus les e-mails de {}. D’autres peuvent encore arriver.",
        gets_none: "ne reçoit plus ces e-mails.",
        came_back: "ne reçoit plus ces e-mails, parce que des e-mails à cette adresse nous sont \
                    revenus. Écrivez-nous si elle fonctionne à nouveau.",
        taken_off: "ne reçoit plus ces e-mails, parce que l’adresse a été retirée de notre \
                    liste. Écrivez-nous pour changer cela.",
        stop_these: "Arrêter seulement ces e-mails",
        stop_all: "Arrêter tous les e-mails",
        join_these: "Recevoir à nouveau ces e-mails",
        join_all: "Recevoir à nouveau nos e-mails",
        no_link: "Ce lien ne fonctionne pas. Copiez le lien entier depuis l’e-mail, ou ouvrez-le \
                  dans le dernier e-mail que vous avez reçu.",
        not_understood: "La demande n’a pas été comprise, et rien n’a changé. Ouvrez le lien \
                         encore une fois.",
    },
    Words {
        language: "es",
        unsubscribe: "Darse de baja",
        title: "Sus correos",
        gets_all: "recibe nuestros correos, entre ellos {}.",
        gets_others: "ya no recibe los correos de {}. Otros todavía pueden llegar.",
        gets_none: "ya no recibe estos correos.",
        came_back: "ya no recibe estos correos, porque los que enviamos a esta dirección fueron \
                    devueltos. Escríbanos si vuelve a funcionar.",
        taken_off: "ya no recibe estos correos, porque la dirección fue retirada de nuestra \
                    lista. Escríbanos para cambiarlo.",
        stop_these: "Dejar de recibir solo estos correos",
        stop_all: "Dejar de recibir todos los correos",
        join_these: "Volver a recibir estos correos",
        join_all: "Volver a recibir nuestros correos",
        no_link: "Este enlace no funciona. Copie el enlace completo del correo, o ábralo en el \
                  correo más reciente que haya recibido.",
        not_understood: "No se ha entendido la petición y no se ha cambiado nada. Abra el enlace \
                         otra vez.",
    },
    Words {
        language: "it",
        unsubscribe: "Annulla l’iscrizione",
        title: "Le sue e-mail",
        gets_all: "riceve le nostre e-mail, tra cui {}.",
        gets_others: "non riceve più le e-mail di {}. Altre possono ancora arrivare.",
        gets_none: "non riceve più queste e-mail.",
        came_back: "non riceve più queste e-mail, perché quelle inviate a questo indirizzo sono \
                    tornate indietro. Ci scriva se funziona di nuovo.",
        taken_off: "non riceve più queste e-mail, perché l’indirizzo è stato tolto dal nostro \
                    elenco. Ci scriva per cambiarlo.",
        stop_these: "Non ricevere più solo queste e-mail",
        stop_all: "Non ricevere più nessuna e-mail",
        join_these: "Ricevere di nuovo queste e-mail",
        join_all: "Ricevere di nuovo le nostre e-mail",
        no_link: "Questo link non funziona. Copi l’intero link dall’e-mail, o lo apra \
                  nell’e-mail più recente che ha ricevuto.",
        not_understood: "La richiesta non è stata capita e nulla è cambiato. Apra di nuovo il \
                         link.",
    },
    Words {
        language: "nl",
        unsubscribe: "Afmelden",
        title: "Uw e-mails",
        gets_all: "ontvangt onze e-mails, waaronder {}.",
        gets_others: "ontvangt geen e-mails van {} meer. Andere kunnen nog komen.",
        gets_none: "ontvangt deze e-mails niet meer.",
        came_back: "ontvangt deze e-mails niet meer, omdat e-mails aan dit adres terugkwamen. \
                    Schrijf ons als het weer werkt.",
        taken_off: "ontvangt deze e-mails niet meer, omdat het adres van onze lijst is gehaald. \
                    Schrijf ons om dat te veranderen.",
        stop_these: "Alleen deze e-mails stoppen",
        stop_all: "Alle e-mails stoppen",
        join_these: "Deze e-mails weer ontvangen",
        join_all: "Onze e-mails weer ontvangen",
        no_link: "Deze link werkt niet. Kopieer de hele link uit de e-mail, of open hem in de \
                  nieuwste e-mail die u hebt ontvangen.",
        not_understood: "Dit is niet begrepen en er is niets veranderd. Open de link nog eens.",
    },
    Words {
        language: "pt",
        unsubscribe: "Cancelar subscrição",
        title: "Os seus e-mails",
        gets_all: "recebe os nossos e-mails, entre eles {}.",
        gets_others: "já não recebe os e-mails de {}. Outros ainda podem chegar.",
        gets_none: "já não recebe estes e-mails.",
        came_back: "já não recebe estes e-mails, porque os e-mails para este endereço foram \
                    devolvidos. Escreva-nos se voltar a funcionar.",
        taken_off: "já não recebe estes e-mails, porque o endereço foi retirado da nossa lista. \
                    Escreva-nos para mudar isso.",
        stop_these: "Deixar de receber só estes e-mails",
        stop_all: "Deixar de receber todos os e-mails",
        join_these: "Voltar a receber estes e-mails",
        join_all: "Voltar a receber os nossos e-mails",
        no_link: "Este link não funciona. Copie o link inteiro do e-mail, ou abra-o no e-mail \
                  mais recente que recebeu.",
        not_understood: "O pedido não foi entendido e nada mudou. Abra o link outra vez.",
    },
    Words {
        language: "pl",
        unsubscribe: "Wypisz się",
        title: "Twoje e-maile",
        gets_all: "otrzymuje nasze e-maile, między innymi {}.",
        gets_others: "nie otrzymuje już e-maili z {}. Inne mogą jeszcze przyjść.",
        gets_none: "nie otrzymuje już tych e-maili.",
        came_back: "nie otrzymuje już tych e-maili, ponieważ e-maile na ten adres wracały. \
                    Napisz do nas, jeśli znowu działa.",
        taken_off: "nie otrzymuje już tych e-maili, ponieważ adres został usunięty z naszej \
                    listy. Napisz do nas, aby to zmienić.",
        stop_these: "Wypisz mnie tylko z tych e-maili",
        stop_all: "Wypisz mnie ze wszystkich e-maili",
        join_these: "Chcę znowu otrzymywać te e-maile",
        join_all: "Chcę znowu otrzymywać wasze e-maile",
        no_link: "Ten link nie działa. Skopiuj cały link z e-maila albo otwórz go w najnowszym \
                  e-mailu, który do ciebie przyszedł.",
        not_understood: "Nie udało się tego zrozumieć i nic się nie zmieniło. Otwórz link jeszcze \
                         raz.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_speaks_no_language_of_ours_reads_english() {
        for (locale, language) in
            [(Some("de-at"), "de"), (Some("pt-br"), "pt"), (Some("xx"), "en"), (None, "en")]
        {
            assert_eq!(words(locale).language, language);
        }
    }

    #[test]
    fn every_language_has_a_place_for_the_name() {
        for words in &ALL {
            for text in [words.gets_all, words.gets_others] {
                assert_eq!(text.matches("{}").count(), 1, "{}", words.language);
            }
        }
    }
}
