"""Our own sentences, which together hold every phone and many closed lips, spoken by flite's voices.

The rendered clips `still_tts_NNN_VOICE` say them; the last one is the test clip.
"""

from __future__ import annotations

VOICES = ("slt", "rms", "awb", "kal16")
TEXTS = (
    "Stop. "
    "Look left, look right, and look left again. "
    "The judge had a huge jar of orange jelly on the bridge. "
    "Please be quiet, be patient, and maybe be kind.",
    "Five, four, three, two, one, and we are live. "
    "Who would choose to move to the moon without food or juice? "
    "Her first word of the working week was perfectly absurd.",
    "Sunny, the funny monkey, must run up and jump in the mud. "
    "Hello hello, hi there, hey, how have you been? "
    "Can you hear me now? "
    "Check, check, one, two, three.",
    "A proper cup of coffee from a copper coffee pot. "
    "That black cat sat back and grabbed the last apple jam sandwich. "
    "My mother makes marvelous plum jam every summer morning.",
    "Clear ears hear near and dear cheers from the pier. "
    "I thought those three feathers were worth the whole journey. "
    "Oh no, I dropped my phone in the snow over the road.",
    "The weather is warmer than we expected for early March. "
    "Five very brave firefighters found the frightened fox. "
    "I am happy to help, but I may be away from Monday to Friday.",
    "She sells shiny shoes and sharp scissors near the station. "
    "No, no, never, not now, and not in nineteen ninety nine. "
    "Pop the popcorn, pour the punch, and put on a movie.",
    "Good books should look like good wood, he said, and shook the hook. "
    "Subscribe, leave a comment below, and I will see you tomorrow. "
    "Pump up the volume, pick a song, and make some noise.",
    "Pepper and paprika improve a simple potato soup. "
    "We have forty five minutes left, and then the show is over. "
    "Nobody knows how old the stone road really is.",
    "Are you sure the computer picture is pure and secure? "
    "Whoever moves first loses, so choose your move wisely. "
    "The farmer's family formed a firm for frozen fish fingers.",
)
TEST_TEXT = (
    "The humble bumblebee mumbled and tumbled from the thimble. "
    "Just imagine a gigantic giraffe juggling jars of ginger. "
    "Move the microphone a little closer, please. "
    "Perfect."
)
TEST_VOICE = "rms"
