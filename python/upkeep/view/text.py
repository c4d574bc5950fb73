from upkeep.verdicts import Result


def result_line(r: Result) -> str:
    return f"{r.host} {r.status.value} {r.check} {r.subject}: {r.message}"
