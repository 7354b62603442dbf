#!/usr/bin/env python3
"""A dictionary of a few dozen synsets in WordNet's file format, written for the tests (no text of WordNet
is in it): python3 tests/wordnet/make.py writes index.*, data.* and *.exc beside this file.

A row: name, part of speech, lexicographer's file, words, pointers, gloss. Senses of a word are in the order of rows."""
import os

ROWS = [
    ("entity", "n", 3, "entity", "", "all that is"),
    ("object", "n", 3, "object physical_object", "@entity", "what can be touched"),
    ("organism", "n", 3, "organism being", "@object", "what lives"),
    ("person", "n", 3, "person individual", "@organism", "somebody"),
    ("writer", "n", 18, "writer", "@person", "somebody who writes books"),
    ("animal", "n", 3, "animal beast", "@organism", "a being that moves by itself"),
    ("bird", "n", 5, "bird", "@animal %pwing %pbeak", "an animal with feathers that lays eggs; \"birds sing in the morning\""),
    ("wader", "n", 5, "wading_bird wader", "@bird", "a bird that walks in shallow water"),
    ("crane_poet", "n", 18, "Crane Ada_Crane", "@iwriter", "a writer who never was"),
    ("crane_machine", "n", 6, "crane", "@machine %phook", "a tall machine that lifts heavy loads at harbours"),
    ("crane_bird", "n", 5, "crane", "@wader #mcrane_family", "a tall grey bird with a long neck; lives in wet meadows"),
    ("crane_family", "n", 5, "Gruidae", "", "the family of cranes"),
    ("dog", "n", 5, "dog domestic_dog Canis_familiaris", "@canine @pet ~puppy %ptail", "a tame animal that barks"),
    ("dog_person", "n", 18, "dog", "@person", "a fellow one does not like"),
    ("canine", "n", 5, "canine canid", "@animal", "an animal of the family of dogs and wolves"),
    ("pet", "n", 5, "pet", "@animal", "an animal that lives with people"),
    ("puppy", "n", 5, "puppy pup", "@dog", "a dog in its first year"),
    ("wolf", "n", 5, "wolf", "@canine", "a wild canine that hunts in packs"),
    ("goose", "n", 5, "goose", "@bird", "a large water bird that hisses"),
    ("snow_goose", "n", 5, "snow_goose", "@goose", "a white goose of the north"),
    ("mouse_animal", "n", 5, "mouse", "@animal", "a small animal with a long tail that gnaws"),
    ("mouse_device", "n", 6, "mouse computer_mouse", "@machine", "a thing moved by hand to point at a screen"),
    ("artifact", "n", 3, "artifact", "@object", "what people have made"),
    ("machine", "n", 6, "machine", "@artifact", "a made thing with parts that move"),
    ("hook", "n", 6, "hook", "@artifact", "bent metal to hang things on"),
    ("food", "n", 3, "food nutrient", "@object", "what can be eaten"),
    ("food_solid", "n", 13, "food solid_food", "@object", "what must be chewed"),
    ("apple", "n", 13, "apple", "@food_solid", "a round fruit that is red or green"),
    ("soup", "n", 13, "soup", "@food", "hot liquid with vegetables in it"),
    ("sand", "n", 27, "sand", "@object", "fine loose grains of stone"),
    ("wing", "n", 5, "wing", "@object #pbird", "what birds fly with"),
    ("beak", "n", 5, "beak bill", "@object #pbird", "a hard mouth"),
    ("tail", "n", 5, "tail", "@object", "the end behind"),
    ("fire_hydrant", "n", 6, "fire_hydrant fireplug", "@artifact", "a pipe at the street from which firemen take water"),
    ("t-shirt", "n", 6, "T-shirt tee_shirt", "@artifact", "a light shirt with short sleeves"),
    ("glass", "n", 6, "glass drinking_glass", "@artifact", "a vessel to drink from"),
    ("loop_a", "n", 9, "ouroboros", "@loop_b", "what is a kind of a kind of itself"),
    ("loop_b", "n", 9, "circle", "@loop_a", "what goes round"),
    ("ride_verb", "v", 38, "ride sit", "@move", "go on the back of an animal; \"she rides to school\""),
    ("ride", "n", 4, "ride", "@entity", "a journey on an animal or in a vehicle"),
    ("move", "v", 38, "move", "", "change place"),
    ("crane_verb", "v", 38, "crane stretch_out", "@move", "make the neck long to see more"),
    ("brown", "a", 0, "brown", "&coloured", "of the colour of earth"),
    ("tan", "a", 0, "tan", "&coloured", "coloured"),
    ("coloured", "a", 0, "coloured(a)", "", "having a colour"),
    ("quickly", "r", 2, "quickly", "", "in little time"),
]
EXCEPTIONS = {"noun": "geese goose\nmice mouse\nwolves wolf\n", "verb": "ridden ride\nrode ride\nsat sit\n", "adj": "", "adv": ""}
FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
HEADER = "".join(f"  {i} Written for the tests of anytag, in the file format of WordNet 3.0.  \n" for i in (1, 2))
SYMBOLS = ("@i", "#m", "#p", "%p", "@", "~", "&")


def line(row, places):
    name, part, lexfile, words, pointers, gloss = row
    words, pointers = words.split(), pointers.split()
    kind = "s" if any(p[0] == "&" for p in pointers) else part
    out = f"{places[name]:08d} {lexfile:02d} {kind} {len(words):02x} " + "".join(f"{w} 0 " for w in words) + f"{len(pointers):03d} "
    for p in pointers:
        symbol = next(s for s in SYMBOLS if p.startswith(s))
        target = p[len(symbol):]
        out += f"{symbol} {places[target]:08d} {next(r[1] for r in ROWS if r[0] == target)} 0000 "
    return out + ("01 + 02 00 " if part == "v" else "") + f"| {gloss}  \n"


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    places = {r[0]: 0 for r in ROWS}
    for part in FILES:
        at = len(HEADER)
        for r in ROWS:
            if r[1] == part:
                places[r[0]] = at
                at += len(line(r, places).encode())
    for part, name in FILES.items():
        rows = [r for r in ROWS if r[1] == part]
        with open(f"{here}/data.{name}", "w") as f:
            f.write(HEADER + "".join(line(r, places) for r in rows))
        index = {}
        for r in rows:
            for w in r[3].split():
                index.setdefault(w.split("(")[0].lower(), []).append(places[r[0]])
        with open(f"{here}/index.{name}", "w") as f:
            f.write(HEADER)
            for word in sorted(index):
                at = index[word]
                f.write(f"{word} {part} {len(at)} 1 @ {len(at)} 0 " + " ".join(f"{a:08d}" for a in at) + "  \n")
        with open(f"{here}/{name}.exc", "w") as f:
            f.write(EXCEPTIONS[name])


if __name__ == "__main__":
    main()
