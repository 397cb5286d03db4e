"""Where personal data could stand: the lines that the finders of ``transforms.pii`` need to look at, and for what.

One pass over the bytes stops only at digits, ``@``, ``%40`` and colons. It asks for a necessary condition of each
kind (how digits are grouped and joined, what stands around a sign), cheap and never too strict; validity is
decided by the finders. No finder looks beyond a line, but for words before a number.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from dataflow.kernels.arrow import Bytes, Offsets

EMAIL, IBAN, CARD, IP, PHONE = 1, 2, 4, 8, 16

_DIGIT, _LETTER, _SIGN, _HYPHEN, _GAP, _UNDERSCORE = 1, 2, 4, 8, 16, 32


def _classes() -> npt.NDArray[np.uint8]:
    table = np.zeros(256, np.uint8)
    table[ord("0") : ord("9") + 1] = _DIGIT
    table[ord("A") : ord("Z") + 1] = table[ord("a") : ord("z") + 1] = _LETTER
    table[[ord("@"), ord("%"), ord(":")]] = _SIGN
    table[ord("-")] |= _HYPHEN
    table[ord("_")] |= _UNDERSCORE
    # Between the digits of a phone number: also the bytes of U+00A0 and U+2010 to U+2013.
    table[[*b" ().-/", 0xC2, 0xA0, 0xE2, 0x80, 0x90, 0x91, 0x92, 0x93]] |= _GAP
    return table


_CLASSES = _classes()


def candidates(
    data: Bytes, offsets: Offsets, countries: npt.NDArray[np.bool_], phone_digits: int
) -> npt.NDArray[np.int64]:
    """Lines worth a look, in order: the columns are row, first and last byte, and a sum of the kinds above.

    Args:
        data: bytes of all texts.
        offsets: where each text begins, and the end.
        countries: 26 x 26, the two letters that an IBAN may begin with.
        phone_digits: digits in one row that may be a national number anywhere; 0 for North America's forms alone.
    """
    room = np.empty(
        (int(offsets[-1] - offsets[0]) // 4 + 1, 4), np.int64
    )  # pages never written are never taken
    n = _candidates(data, offsets, _CLASSES, countries, phone_digits, room)
    return room[:n].copy()


@njit(nogil=True, cache=True)
def _candidates(
    data: Bytes,
    offsets: Offsets,
    classes: npt.NDArray[np.uint8],
    countries: npt.NDArray[np.bool_],
    phone_digits: int,
    room: npt.NDArray[np.int64],
) -> int:
    n = 0
    for row in range(offsets.shape[0] - 1):
        start, end = offsets[row], offsets[row + 1]
        line_end = start - 1  # of the last line noted
        # Groups of digits joined as cards, phones and addresses join them: digits in the row, and the groups' sizes.
        group_end, card, quad, phone, plus = start - 16, 0, 0, 0, False
        size_1, size_2, joint_1 = 0, 0, 0  # the two groups before, and whether they are joined
        i = start
        while i < end:
            kind = classes[data[i]]
            if not kind & (_DIGIT | _SIGN):
                i += 1
                continue
            found = 0
            at = i
            if kind & _DIGIT:
                i += 1
                while i < end and classes[data[i]] & _DIGIT:
                    i += 1
                size, gap = i - at, at - group_end
                before = data[at - 1] if at > start else np.uint8(0)
                card = card + size if gap == 1 and (before == 0x20 or before == 0x2D) else size
                if card >= 12:
                    found |= CARD
                quad = (quad + 1 if quad and gap == 1 and before == 0x2E else 1) if size <= 3 else 0
                if quad >= 4:
                    found |= IP
                close = gap <= 9
                if close:
                    for j in range(group_end, at):
                        if not classes[data[j]] & _GAP:
                            close = False
                            break
                if _after_plus(data, start, at):
                    plus, phone = True, size
                elif close:
                    phone += size
                else:
                    plus, phone = False, size
                if (plus and phone >= 7) or 0 < phone_digits <= phone:
                    found |= PHONE
                # North America: 3-3-4, or ten digits, or eleven.
                joint = 0
                if close:
                    joint = 2 if gap == 1 and before != 0x28 and before != 0x29 and before != 0x2F else 1
                    if gap > 2:
                        joint = 0
                if (
                    (size == 4 and size_1 == 3 and size_2 == 3 and joint == 2 and joint_1)
                    or size == 10
                    or size == 11
                ):
                    found |= PHONE
                size_2, size_1, joint_1 = size_1, size, joint
                if (
                    size >= 2
                    and classes[before] & _LETTER
                    and _is_iban(data, at, start, end, classes, countries)
                ):
                    found |= IBAN
                group_end = i
            else:
                i += 1
                if data[at] == 0x3A:
                    if at - 4 >= start and at + 3 < end and (data[at - 4] == 0x32 or data[at - 4] == 0x33):
                        found |= IP
                else:
                    sign = 1
                    if data[at] == 0x25:
                        sign = 3 if at + 2 < end and data[at + 1] == 0x34 and data[at + 2] == 0x30 else 0
                    if sign and at > start and at + sign < end:
                        b, a = data[at - 1], data[at + sign]
                        local = (
                            classes[b] & (_DIGIT | _LETTER | _HYPHEN | _UNDERSCORE) or b == 0x25 or b == 0x2B
                        )
                        if local and classes[a] & (_DIGIT | _LETTER | _HYPHEN):
                            found |= EMAIL
            if found:
                if at <= line_end:
                    room[n - 1, 3] |= found
                else:
                    first = at
                    while first > start and data[first - 1] != 0x0A:
                        first -= 1
                    line_end = i
                    while line_end < end and data[line_end] != 0x0A:
                        line_end += 1
                    room[n, 0], room[n, 1], room[n, 2], room[n, 3] = (
                        row,
                        first - start,
                        line_end - start,
                        found,
                    )
                    n += 1
    return n


@njit(nogil=True, cache=True)
def _after_plus(data: Bytes, start: int, at: int) -> bool:
    """Whether ``+``, ``+ ``, ``+(`` or ``+ (`` stands before."""
    i = at - 1
    if i >= start and data[i] == 0x28:
        i -= 1
    if i >= start and data[i] == 0x20:
        i -= 1
    return bool(i >= start and data[i] == 0x2B)


@njit(nogil=True, cache=True)
def _is_iban(
    data: Bytes,
    at: int,
    start: int,
    end: int,
    classes: npt.NDArray[np.uint8],
    countries: npt.NDArray[np.bool_],
) -> bool:
    """Whether two letters of a country that stand alone are before these digits, and enough characters follow."""
    if at - 2 < start or not classes[data[at - 2]] & _LETTER:
        return False
    a, b = data[at - 2], data[at - 1]
    if at - 3 >= start and classes[data[at - 3]] & (_DIGIT | _LETTER | _UNDERSCORE):
        return False
    if not countries[(a | 0x20) - 0x61, (b | 0x20) - 0x61]:
        return False
    i, n = at + 2, 0
    while i < end and n < 11:
        if data[i] == 0x20 or data[i] == 0x2D or data[i] == 0x2E:
            i += 1
            if i == end:
                return False
        if not classes[data[i]] & (_DIGIT | _LETTER):
            return False
        n += 1
        i += 1
    return n == 11
