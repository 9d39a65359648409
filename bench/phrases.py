"""What people and workers say in the scripted month: in the words that the rules were made with,
and in words that they had not seen."""

from dataclasses import dataclass

About = dict[str, tuple[tuple[str, tuple[str, ...], tuple[str, ...], str], ...]]
Ways = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Phrases:
    """`about` holds for each kind of subject (predicate, ways to say it, other names, value).

    {s} is a subject, {o} an object, {p} a person, {q} a supplier, {n} a number.
    The rows of `episodes`, `preferences` and `procedures` say one thing in
    several ways; those of `asked` and `restated` belong together.
    """

    about: About
    episodes: Ways
    preferences: Ways
    procedures: Ways
    courtesies: tuple[str, ...]
    asked: tuple[str, ...]
    restated: tuple[str, ...]
    chatter: tuple[str, ...]
    secrets: tuple[str, ...]


PEOPLE = (
    "Anna Berg", "Bruno Keller", "Carla Rossi", "Dmitri Orlov", "Elif Kaya", "Femke Visser",
    "Georg Huber", "Hanna Lind", "Ivo Novak", "Jana Horak", "Karim Haddad", "Lea Martin",
    "Marek Wolski", "Nora Jansen", "Oskar Dahl", "Petra Vogel", "Rosa Silva", "Sven Aalto",
)  # fmt: skip
SUPPLIERS = (
    "Alpen Stahl", "Baltic Fasteners", "Corvus Coatings", "Delta Hydraulics", "Elbe Castings",
    "Fjord Seals", "Garonne Plastics", "Helvetia Bearings", "Iberia Wire", "Jura Optics",
    "Krona Motors", "Lumen Lamps", "Meuse Chemicals", "Neckar Tools",
)  # fmt: skip
MACHINES = (
    "press 3", "lathe 7", "mill 12", "oven 2", "robot R4", "conveyor B", "paint line 1",
    "compressor 5", "laser cutter 9", "test bench 6",
)  # fmt: skip
SUBJECTS = {"person": PEOPLE, "supplier": SUPPLIERS, "machine": MACHINES}

# predicate, the ways to say it with {s} and {o}, other names for the predicate, a value of {n}
_ABOUT: About = {
    "person": (
        ("extension", ("{s} can be reached at extension {o}", "the extension of {s} is {o}",
                       "You get {s} on {o}"), ("phone extension", "internal number"), "{n}"),
        ("office", ("{s} sits in {o}", "{s}'s office is {o}", "{o} is where {s} works"),
         ("room", "desk location"), "room B-{n}"),
        ("deputy", ("{o} stands in for {s}", "the deputy of {s} is {o}",
                    "when {s} is away, {o} takes over"), ("substitute", "stand-in"),
         "colleague no. {n}"),
        ("cost centre", ("{s} books on {o}", "{s} is on cost centre {o}"),
         ("cost center", "booking account"), "CC-{n}"),
    ),
    "supplier": (
        ("lead time", ("{s} delivers within {o}", "the lead time of {s} is {o}",
                       "Count on {o} for deliveries from {s}"), ("delivery time",), "{n} hours"),
        ("account number", ("{s} knows us as {o}", "our account number at {s} is {o}"),
         ("customer number", "client number"), "K-{n}"),
        ("discount code", ("orders at {s} carry {o}", "{s} grants us rebate {o}"),
         ("rebate code",), "RB{n}"),
        ("contact", ("at {s} we talk to {o}", "our contact at {s} is {o}"),
         ("contact person",), "agent {n}"),
    ),
    "machine": (
        ("service interval", ("{s} is serviced every {o}", "the service interval of {s} is {o}"),
         ("maintenance interval",), "{n} hours"),
        ("spare part", ("{s} takes spare part {o}", "the filter for {s} is {o}"),
         ("replacement part",), "SP-{n}"),
        ("pressure limit", ("{s} may run at {o} at most", "the pressure limit of {s} is {o}"),
         ("maximum pressure",), "{n} kPa"),
    ),
}  # fmt: skip

# Each row says one thing in several ways. {p} is a person, {q} a supplier, {n} a number.
_EPISODES = (
    ("{q} shipped {n} crates to the wrong plant.",
     "{n} crates from {q} were sent to the wrong plant."),
    ("The audit by {q} found {n} open points.", "{q} found {n} open points in its audit."),
    ("{p} negotiated a price cut of {n} euros with {q}.",
     "A price cut of {n} euros was negotiated with {q} by {p}."),
    ("Order {n} at {q} was cancelled because the drawings were outdated.",
     "Because the drawings were outdated, order {n} at {q} was cancelled."),
    ("The delivery of {q} on truck {n} arrived with broken seals.",
     "Broken seals were found on the delivery of {q} on truck {n}."),
    ("{p} closed complaint {n} after the customer accepted a refund.",
     "Complaint {n} was closed by {p} once the customer had accepted a refund."),
    ("Batch {n} failed the hardness test at {q}.",
     "The hardness test at {q} was failed by batch {n}."),
    ("{p} presented the budget draft {n} to the board.",
     "The board was presented budget draft {n} by {p}."),
)  # fmt: skip
_PREFERENCES = (
    ("{p} wants reports as a table with at most {n} rows.",
     "Reports for {p} should be a table of at most {n} rows."),
    ("{p} prefers to be called before {n} minutes past the hour.",
     "Call {p} before {n} minutes past the hour, as {p} prefers."),
    ("Always send {p} the figures for plant {n} in euros.",
     "The figures for plant {n} should always be sent to {p} in euros."),
    ("{p} never wants attachments larger than {n} kB.",
     "{p} wants attachments never to be larger than {n} kB."),
)  # fmt: skip
_PROCEDURES = (
    ("To release batch {n}, weigh it, photograph the label, then sign the form with {p}.",
     "Batch {n} is released by weighing it, photographing the label, signing the form with {p}."),
    ("Invoices of {q} above {n} euros: check the order, have {p} sign, then pay within the week.",
     "For invoices of {q} above {n} euros check the order, let {p} sign and pay within the week."),
    ("When alarm {n} rings, stop the line, call {p}, and write the shift log.",
     "If alarm {n} rings, the line is stopped, {p} is called and the shift log is written."),
)  # fmt: skip

_COURTESIES = (
    "Good morning!", "Hi there, hope you are well.", "Thanks a lot!",
    "Thank you so much for your help.",
    "Have a great weekend everyone!", "Hello {p}", "Perfect, thanks {p}!", "Kind regards, {p}",
    "See you tomorrow!", "Congratulations!", "Great job, team!", "Ok, sounds good.",
    "You're welcome :)", "Happy birthday, {p}!", "No problem at all.", "Talk to you soon!",
    "Guten Morgen zusammen!", "Vielen Dank und schöne Grüße", "Merci beaucoup !", "lol",
    "That's awesome, well done!", "Hey {p}, how are you doing?", "Enjoy your lunch!",
    "Best wishes for the new year", "Sorry for the late reply.", "Welcome back, {p}!",
    "Cheers!", "Noted, thanks.", "Will do!", "Sure thing.",
)  # fmt: skip
_ASKED = (
    "Please summarise the complaints about {q} and list the three most frequent causes.",
    "Compare the invoices of {q} with the orders and write down every difference.",
    "Draft a reply to {p} about the delayed delivery of {q}.",
    "Can you check whether {q} has sent the certificates for the last quarter?",
    "Prepare the agenda for the meeting with {p} on the budget.",
)
_RESTATED = (
    "The task is to summarise the complaints about {q} and list the most frequent causes.",
    "Compare the invoices of {q} with the orders; write down every difference.",
    "A reply to {p} about the delayed delivery of {q} has to be drafted.",
    "Check whether {q} has sent the certificates for the last quarter.",
    "Prepare the agenda for the meeting with {p} on the budget.",
)
_CHATTER = (
    "I will now look at the file.", "Let me check the invoices first.",
    "The user asked for a summary.", "As an AI language model I cannot open attachments.",
    "Step 2 of 5 completed.", "The tool call returned successfully.", "Working on it…",
    "Here is the summary you asked for.", "I have finished reading the document.",
    "Searching the archive for matches.", "What should I do next?", "Could you send me the list?",
    "Is there anything else I can help with?", "No results.", "I'm going to try again later.",
    "The document was read.", "Now writing the report.", "Plan: read, compare, write.",
    "I could not find anything relevant.", "The user seems happy with the answer.",
    "Waiting for approval.", "Task completed successfully.", "We should probably look into this.",
    "Reading page 3 of 12.", "The answer has been sent.",
)  # fmt: skip
_SECRETS = (
    "The password for the wiki is Kp4-{n}-vX!q", "api_key = sk-live{n}Ab3dE5gH7jK9mN2pQ4rS6tU8",
    "Use ghp_{n}aB3dE5gH7jK9mN2pQ4rS6tU8vW0xY2zA4bC6dE for the repository",
    "The database login is postgres://app:S3cr{n}et@db/orders",
)  # fmt: skip

SEEN = Phrases(
    about=_ABOUT,
    episodes=_EPISODES,
    preferences=_PREFERENCES,
    procedures=_PROCEDURES,
    courtesies=_COURTESIES,
    asked=_ASKED,
    restated=_RESTATED,
    chatter=_CHATTER,
    secrets=_SECRETS,
)
"""The rules of admission and likeness were mended on these."""

UNSEEN = Phrases(
    about={
        "person": (
            ("mobile", ("{s} answers on {o}", "call {s} under {o}", "{s} has the mobile {o}"),
             ("mobile phone", "cell phone"), "07-{n}"),
            ("team", ("{s} belongs to {o}", "{s} was moved to {o}"), ("group", "unit"), "team {n}"),
            ("badge", ("{s} carries {o}", "the badge of {s} is {o}"), ("badge number", "ID card"),
             "B{n}"),
        ),
        "supplier": (
            ("minimum order", ("{s} takes no order below {o}", "order at least {o} from {s}"),
             ("smallest order", "minimum quantity"), "{n} pieces"),
            ("payment term", ("{s} gives us {o} to pay", "bills of {s} are due after {o}"),
             ("term of payment",), "{n} days"),
            ("framework contract", ("{s} works under {o}", "the contract with {s} is {o}"),
             ("contract", "master agreement"), "FC-{n}"),
        ),
        "machine": (
            ("location", ("{s} stands in {o}", "you find {s} in {o}"), ("place", "position"),
             "bay {n}"),
            ("serial number", ("{s} bears {o}", "the plate of {s} says {o}"), ("serial no",),
             "SN{n}"),
            ("oil", ("{s} is filled with {o}", "use {o} in {s}"), ("lubricant", "oil grade"),
             "grade {n}"),
        ),
    },
    episodes=(
        ("Forklift {n} broke down in the yard of {q}.",
         "In the yard of {q}, forklift {n} broke down."),
        ("{p} found that {n} parts from {q} were mislabelled.",
         "{n} parts from {q} were mislabelled, as {p} found."),
        ("The tender {n} went to {q} after a second round of offers.",
         "After a second round of offers {q} won tender {n}."),
        ("{p} and {q} agreed to postpone release {n} by a month.",
         "Release {n} was postponed by a month; {p} and {q} agreed on it."),
        ("A leak in tank {n} was repaired by {q} on the same day.",
         "{q} repaired a leak in tank {n} on the same day."),
        ("{p} trained {n} people from {q} on the new software.",
         "{n} people from {q} got training on the new software from {p}."),
    ),
    preferences=(
        ("{p} likes drawings at scale 1:{n} on paper.",
         "Drawings should be on paper at scale 1:{n}, {p} likes them so."),
        ("{p} does not want calls about order {n} in the evening.",
         "No calls to {p} in the evening about order {n}."),
        ("Quotes above {n} euros are always to be shown to {p} first.",
         "Always show {p} quotes above {n} euros first."),
    ),
    procedures=(
        ("To scrap part {n}, cut it, weigh the pieces and have {p} confirm.",
         "Part {n} is scrapped by cutting it, weighing the pieces and having {p} confirm."),
        ("Visitors of {q} get badge {n}, a safety talk and a guide; ring {p} before.",
         "Before visitors of {q} come ring {p}; they get badge {n}, a safety talk and a guide."),
    ),
    courtesies=(
        "Morning, {p}!", "Dear all, a quick hello from me.", "Many thanks and see you next week!",
        "Much appreciated, {p}.", "Have fun at the party tonight!", "Get well soon, {p}!",
        "Good luck with the exam!", "Brilliant, that made my day.", "Nice to meet you, {p}.",
        "All the best", "Thanks in advance!", "Ciao, {p}", "Bis später!", "Gern geschehen.",
        "Bonne journée à tous", "My pleasure.", "Fantastic, keep it up!", "Safe travels, {p}!",
        "Sounds like a plan.", "Got it, thank you.", "Ok will do, cheers",
        "Merry Christmas to all!",
        "Hope you had a nice holiday.", "It was lovely to see you again.", "Yes, please.",
    ),
    asked=(
        "Translate the safety sheet of {q} into Polish.",
        "Could you find out which offers of {q} expired last month?",
        "Make a list of all open questions from {p} about the audit.",
        "Tell {p} in two sentences why the shipment of {q} is late.",
    ),
    restated=(
        "The safety sheet of {q} is to be translated into Polish.",
        "Find out which offers of {q} expired last month.",
        "A list of all open questions from {p} about the audit is to be made.",
        "I need to tell {p} in two sentences why the shipment of {q} is late.",
    ),
    chatter=(
        "Looking into it now.", "I have opened the spreadsheet and will go through it.",
        "The search gave me four hits.", "My next step is to compare both versions.",
        "It seems the file is empty.", "I was asked to write a summary.",
        "The function returned an error, retrying.", "Done with the first part.",
        "Sorry, I misread the question.", "The user thanked me.", "Which version do you mean?",
        "Let's start with the oldest mail.", "Output saved.", "This concludes the analysis.",
        "Going through the attachments one by one.", "The request was processed.",
        "I will keep this in mind.", "Draft 2 is ready for review.",
        "As instructed, I skipped the appendix.", "Nothing to report.",
    ),
    secrets=(
        "Our VPN password is Blue-{n}-Fox!7", "client_secret: 8f{n}Qz7LmN4pR1sT6vW9xY2bC5dE0gH",
        "Put AKIA{n}ABCDEFGHIJK into the build", "login admin, passphrase gT{n}#mmQ2p",
    ),
)  # fmt: skip
"""Written after that. No phrase was taken from here into a rule."""
