"""The detectors' contract, over every built-in detector."""

import pytest

from secondbasket.policy.detectors import (
    api_key,
    credential,
    email_address,
    iban,
    national_id,
    payment_card,
    phone_number,
    private_key,
    vat_number,
)
from secondbasket.testing.detectors import DetectorCase, DetectorContract
from tests.sensitive import EXAMPLES, HARMLESS


class TestApiKey(DetectorContract):
    @pytest.fixture
    def case(self) -> DetectorCase:
        return DetectorCase(
            detector=api_key.create(), examples=EXAMPLES["api_key"], harmless=HARMLESS["api_key"]
        )


class TestCredential(DetectorContract):
    @pytest.fixture
    def case(self) -> DetectorCase:
        return DetectorCase(
            detector=credential.create(),
            examples=EXAMPLES["credential"],
            harmless=HARMLESS["credential"],
        )


class TestEmailAddress(DetectorContract):
    @pytest.fixture
    def case(self) -> DetectorCase:
        return DetectorCase(
            detector=email_address.create(),
            examples=EXAMPLES["email_address"],
            harmless=HARMLESS["email_address"],
        )


class TestIban(DetectorContract):
    @pytest.fixture
    def case(self) -> DetectorCase:
        return DetectorCase(
            detector=iban.create(),
            examples=EXAMPLES["iban"],
            harmless=HARMLESS["iban"],
        )


class TestNationalId(DetectorContract):
    @pytest.fixture
    def case(self) -> DetectorCase:
        return DetectorCase(
            detector=national_id.create(),
            examples=EXAMPLES["national_id"],
            harmless=HARMLESS["national_id"],
        )


class TestPaymentCard(DetectorContract):
    @pytest.fixture
    def case(self) -> DetectorCase:
        return DetectorCase(
            detector=payment_card.create(),
            examples=EXAMPLES["payment_card"],
            harmless=HARMLESS["payment_card"],
        )


class TestPhoneNumber(DetectorContract):
    @pytest.fixture
    def case(self) -> DetectorCase:
        return DetectorCase(
            detector=phone_number.create(),
            examples=EXAMPLES["phone_number"],
            harmless=HARMLESS["phone_number"],
        )


class TestPrivateKey(DetectorContract):
    @pytest.fixture
    def case(self) -> DetectorCase:
        return DetectorCase(
            detector=private_key.create(),
            examples=EXAMPLES["private_key"],
            harmless=HARMLESS["private_key"],
        )


class TestVatNumber(DetectorContract):
    @pytest.fixture
    def case(self) -> DetectorCase:
        return DetectorCase(
            detector=vat_number.create(),
            examples=EXAMPLES["vat_number"],
            harmless=HARMLESS["vat_number"],
        )
