"""Which language is it? A sentence is enough, less than that is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secondbasket.maas.parity.language import LANGUAGES, language_of

SENTENCES = {
    "de": (
        "Die Hauptstadt von Frankreich ist Paris.",
        "Ich habe den Bericht gestern geschickt und warte auf eine Antwort.",
        "Bitte senden Sie uns die Unterlagen bis Freitag zu.",
    ),
    "en": (
        "The capital of France is Paris.",
        "I sent the report yesterday and am waiting for an answer.",
        "Please send us the documents by Friday.",
    ),
    "fr": (
        "La capitale de la France est Paris.",
        "J’ai envoyé le rapport hier et j’attends une réponse.",
        "Veuillez nous envoyer les documents avant vendredi.",
    ),
    "es": (
        "La capital de Francia es París.",
        "Envié el informe ayer y estoy esperando una respuesta.",
        "Por favor, envíenos los documentos antes del viernes.",
    ),
    "it": (
        "La capitale della Francia è Parigi.",
        "Ho inviato il rapporto ieri e aspetto una risposta.",
        "Si prega di inviare i documenti entro venerdì.",
    ),
    "pt": (
        "A capital da França é Paris.",
        "Enviei o relatório ontem e estou à espera de uma resposta.",
        "Por favor, envie-nos os documentos até sexta-feira.",
    ),
    "nl": (
        "De hoofdstad van Frankrijk is Parijs.",
        "Ik heb het rapport gisteren verzonden en wacht op een antwoord.",
        "Stuur ons de documenten voor vrijdag.",
    ),
    "sv": (
        "Huvudstaden i Frankrike är Paris.",
        "Jag skickade rapporten igår och väntar på ett svar.",
        "Skicka oss dokumenten före fredag.",
    ),
    "pl": (
        "Stolicą Francji jest Paryż.",
        "Wysłałem raport wczoraj i czekam na odpowiedź.",
        "Prosimy o przesłanie dokumentów do piątku.",
    ),
    "ru": ("Столица Франции — Париж.",),
    "uk": ("Столиця Франції — Париж.",),
    "el": ("Η πρωτεύουσα της Γαλλίας είναι το Παρίσι.",),
    "ja": ("フランスの首都はパリです。",),
    "zh": ("法国的首都是巴黎。",),
    "ko": ("프랑스의 수도는 파리입니다.",),
    "ar": ("عاصمة فرنسا هي باريس.",),
    "he": ("בירת צרפת היא פריז.",),
    "hi": ("फ्रांस की राजधानी पेरिस है।",),
    "th": ("เมืองหลวงของฝรั่งเศสคือปารีส",),
}


def test_every_language_has_a_sentence_here() -> None:
    assert set(SENTENCES) == set(LANGUAGES)


@pytest.mark.parametrize(
    ("code", "sentence"), [(code, each) for code, told in SENTENCES.items() for each in told]
)
def test_a_sentence_is_told(code: str, sentence: str) -> None:
    assert language_of(sentence) == code


@pytest.mark.parametrize("text", ["", "42", "12.50 €", "Paris", "OK", "Peter Müller", "🙂"])
def test_a_name_or_a_number_has_no_language(text: str) -> None:
    assert language_of(text) is None


def test_a_few_foreign_words_do_not_change_it() -> None:
    assert language_of("Le mot anglais 'the' est un article, et 'and' une conjonction.") == "fr"
    assert language_of("日本語の「東京」という言葉について説明します。") == "ja"


@given(st.text())
def test_any_text_has_one_of_the_languages_or_none(text: str) -> None:
    assert language_of(text) in (None, *LANGUAGES)
