"""Says what the labelled set for knowledge search holds: ``python -m benchmarks.knowledge``."""

from collections import Counter

from benchmarks.knowledge import labelled


def main() -> None:
    documents = sorted(path.name for path in labelled.DOCUMENTS.iterdir())
    print(f"{len(documents)} documents of {len({labelled.business(name) for name in documents})} businesses")
    for split in ("tune", "test"):
        questions = labelled.questions(split)
        print(f"{split}: {len(questions)} questions, and {len(labelled.unanswerable(split))} that nothing answers")
        for counted in (Counter(each.language for each in questions), Counter(each.kind for each in questions)):
            print("  " + ", ".join(f"{name} {count}" for name, count in counted.most_common()))


if __name__ == "__main__":
    main()
