# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What takes most time in prediction, compiled; each function does what its twin in Python does, to the bit if it can.

Who calls them checks nothing more than for their twins: ids, buckets and rows are what loading a bundle has checked.
"""

from cython cimport floating
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport exp, log, sqrt
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t

import numpy as np

cdef extern from *:
    """
    #define LANES 8
    #ifdef __GNUC__
    #define PREFETCH(address) __builtin_prefetch(address)
    typedef int16_t narrow __attribute__((vector_size(2 * LANES), aligned(2), may_alias));
    typedef int32_t wide __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
    #define ADD(sums, numbers) (*(narrow*)(sums) += *(const narrow*)(numbers))
    #define ADD_TO_WIDE(sums, numbers) (*(wide*)(sums) += __builtin_convertvector(*(const narrow*)(numbers), wide))
    #else
    #define PREFETCH(address)
    #define ADD(sums, numbers) for (int lane = 0; lane < LANES; lane++) (sums)[lane] += (numbers)[lane]
    #define ADD_TO_WIDE(sums, numbers) ADD(sums, numbers)
    #endif
    """
    enum: LANES  # as in folded
    void ADD(int16_t* sums, const int16_t* numbers) noexcept nogil  # LANES at once, as compilers don't of themselves
    void ADD_TO_WIDE(int32_t* sums, const int16_t* numbers) noexcept nogil
    void PREFETCH(const void* address) noexcept nogil

cdef enum:
    BOUNDARY = 2  # and SPACE: as in characters
    SPACE = 3
    UNSEEN = 0  # and those up to WIDE: as in skeletons
    GAP = 1
    DIGIT = 2
    UNSURE = 3
    WIDE = 256
    NOT_ASKED = 0  # an id that no character has
    FIRST_BITS = 16  # of hashes, by which most are told apart

cdef uint64_t FACTOR = 0x9E3779B97F4A7C15  # as in ngrams and in skeletons


def decode(const uint8_t[:, ::1] scores, const int32_t[::1] rows, const uint8_t[::1] coarse, units, out):
    """Write what `rows` (buckets,) of scores (rows, columns) say to `out` (buckets, width): twin of `Folded._decoded`.

    `units` (2, 256, columns) is what each code says in fine and in coarse rows.
    """
    cdef const int16_t[:, :, ::1] said = units
    cdef int16_t[:, ::1] table = out
    cdef Py_ssize_t bucket, row, column, columns = scores.shape[1]
    for bucket in range(rows.shape[0]):
        row = rows[bucket]
        if row < scores.shape[0]:
            for column in range(columns):
                table[bucket, column] = said[coarse[row], scores[row, column], column]
        for column in range(columns if row < scores.shape[0] else 0, table.shape[1]):
            table[bucket, column] = 0


cdef class Scorer:
    """The logits of a folded model: twin of `Characters.line` and `Folded.logits`."""

    cdef int32_t[::1] ids  # by code point: NOT_ASKED, or what `alone` has answered
    cdef const int16_t[:, ::1] table  # (buckets, width)
    cdef const int16_t[:, ::1] spelt  # (characters * length, width)
    cdef const uint8_t[::1] is_spelt  # (characters,)
    cdef const int64_t[::1] columns
    cdef const float[::1] bias  # (categories,)
    cdef uint8_t[::1] is_order  # (highest order + 1,)
    cdef object alone, line, spell
    cdef double unit
    cdef uint64_t buckets
    cdef int64_t length, most  # the most rows of which int16 holds the sum
    cdef bint boundary, across_words

    def __init__(
        self, ids, table, buckets, spelt, is_spelt, columns, bias, orders, alone, line, spell, unit, length, most,
        boundary, across_words,
    ):
        self.ids, self.table, self.buckets = ids, table, buckets
        self.spelt, self.is_spelt, self.columns, self.bias = spelt, is_spelt, columns, bias
        is_order = np.zeros(max(orders, default=0) + 1, dtype=np.uint8)
        is_order[list(orders)] = True
        self.is_order = is_order
        self.alone, self.line, self.spell = alone, line, spell
        self.unit, self.length, self.most = unit, length, most
        self.boundary, self.across_words = boundary, across_words

    def logits(self, titles):
        """Return logits (titles, categories)."""
        cdef Py_ssize_t number = 0, column, columns = self.columns.shape[0], categories = self.bias.shape[0]
        cdef Py_ssize_t width = self.table.shape[1]
        cdef int64_t count, ngrams, room = self.length - 2 * self.boundary
        cdef float share
        found = np.zeros((len(titles), categories), dtype=np.float32)
        cdef float[:, ::1] logits = found
        cdef int32_t* ids = <int32_t*>PyMem_Malloc(self.length * sizeof(int32_t))
        cdef int64_t* places = <int64_t*>PyMem_Malloc(self.length * sizeof(int64_t))
        cdef int64_t* hashed = <int64_t*>PyMem_Malloc(self.length * self.is_order.shape[0] * sizeof(int64_t))
        cdef int32_t* sums = <int32_t*>PyMem_Malloc(width * sizeof(int32_t))
        try:
            if ids == NULL or places == NULL or hashed == NULL or sums == NULL:
                raise MemoryError
            for title in titles:
                count = min(self.number(title, ids), room)
                if self.boundary:
                    ids[0] = ids[count + 1] = BOUNDARY
                    count += 2
                self.spell_new(ids, count)
                ngrams = self.hash(ids, count, hashed)
                for column in range(count):
                    places[column] = ids[column] * self.length + column
                for column in range(width):
                    sums[column] = 0
                add(&self.spelt[0, 0], width, places, count, self.most, sums)
                add(&self.table[0, 0], width, hashed, ngrams, self.most, sums)
                share = <float>(self.unit / sqrt(<double>max(count + ngrams, 1)))
                for column in range(columns):
                    logits[number, self.columns[column]] = <float>(sums[column] * <double>share)
                for column in range(categories):
                    logits[number, column] += self.bias[column]
                number += 1
        finally:
            PyMem_Free(ids)
            PyMem_Free(places)
            PyMem_Free(hashed)
            PyMem_Free(sums)
        return found

    cdef int64_t number(self, object given, int32_t* ids) except -1:
        """Write the ids of a title's characters, as many as there is room for, and return how many it has."""
        cdef int64_t count = 0, room = self.length - 2 * self.boundary
        cdef int32_t one
        cdef Py_UCS4 character
        cdef bint is_parted = False
        cdef str title = text(given)
        ids += self.boundary
        for character in title:
            one = self.ids[character]
            if one == NOT_ASKED:
                one = self.ids[character] = self.alone(character)
            if one < 0:
                return self.number_together(title, ids)
            if one == SPACE:
                is_parted = count > 0
                continue
            if is_parted:
                if count < room:
                    ids[count] = SPACE
                count += 1
                is_parted = False
            if count < room:
                ids[count] = one
            count += 1
        return count

    cdef int64_t number_together(self, str title, int32_t* ids) except -1:
        """Do what `number` does, of a title with characters whose ids depend on what stands beside them."""
        cdef int64_t place
        found, _ = self.line([title])
        cdef const int64_t[::1] inside = found[self.boundary : len(found) - self.boundary]
        for place in range(inside.shape[0]):
            ids[place] = <int32_t>inside[place]
        return inside.shape[0]

    cdef int spell_new(self, const int32_t* ids, int64_t count) except -1:
        cdef int64_t place
        new = None
        for place in range(count):
            if not self.is_spelt[ids[place]]:
                new = {ids[place]} if new is None else new | {ids[place]}
        if new is not None:
            self.spell(np.array(sorted(new), dtype=np.int64))
        return 0

    cdef int64_t hash(self, const int32_t* ids, int64_t count, int64_t* found) noexcept nogil:
        """Write the buckets of a title's n-grams, and return how many there are."""
        cdef int64_t start, order, number = 0, orders = self.is_order.shape[0] - 1
        cdef uint64_t rolled, hashed
        cdef bint is_power = self.buckets & (self.buckets - 1) == 0  # as most: then this is the remainder, in no time
        for start in range(count):
            rolled = 0
            for order in range(1, min(orders, count - start) + 1):
                if order > 2 and not self.across_words and ids[start + order - 2] == SPACE:
                    break
                rolled = mixed(rolled ^ <uint64_t>ids[start + order - 1])
                if self.is_order[order]:
                    hashed = mixed(rolled + <uint64_t>order) >> 32
                    found[number] = hashed & (self.buckets - 1) if is_power else hashed % self.buckets
                    PREFETCH(&self.table[found[number], 0])
                    number += 1
        return number


cdef void add(
    const int16_t* table, Py_ssize_t width, const int64_t* rows, int64_t count, int64_t most, int32_t* sums
) noexcept nogil:
    """Add rows of a table (rows, width) to sums (width,), the `most` at a time of which int16 holds the sum."""
    cdef Py_ssize_t block = 0, lane
    cdef int64_t number, last
    cdef int16_t some[LANES]
    while block < width:
        number = last = 0
        while number < count:
            for lane in range(LANES):
                some[lane] = 0
            last = min(last + most, count)
            while number < last:
                ADD(some, table + rows[number] * width + block)
                number += 1
            ADD_TO_WIDE(sums + block, some)
        block += LANES


cdef inline uint64_t mixed(uint64_t value) noexcept nogil:
    value = (value + 1) * FACTOR
    return value ^ (value >> 32)


def probabilities(logits, double value, double slope):
    """Return the probabilities of logits (titles, categories): twin of `temperature.probabilities`."""
    found = np.empty(logits.shape)
    if logits.dtype.char == "f":  # as nearly all: to be copied would take one title's longer than all else here
        share[float](logits, value, slope, found)
    else:
        share[double](logits.astype(np.float64), value, slope, found)
    return found


cdef void share(const floating[:, :] logits, double value, double slope, double[:, ::1] shares):
    cdef Py_ssize_t title, category, categories = logits.shape[1]
    cdef double most, total, factor
    for title in range(logits.shape[0]):
        most, total = logits[title, 0], 0
        for category in range(categories):
            most = max(most, logits[title, category])
        for category in range(categories):
            total += exp(logits[title, category] - most)
        # The likeliest category's log-probability is -log(total): so large is the doubt.
        factor, total = (1 + slope * log(total)) / value, 0
        for category in range(categories):
            shares[title, category] = exp((logits[title, category] - most) * factor)
            total += shares[title, category]
        for category in range(categories):
            shares[title, category] /= total


def likeliest(kind, titles, const double[:, ::1] shares, const double[:, ::1] least, categories, answers):
    """Return predictions, each of `kind`: twin of `classifiers._likeliest`."""
    cdef Py_ssize_t number = 0, category, best, columns = shares.shape[1]
    cdef bint is_any = least is None, is_each = not is_any and least.shape[0] > 1
    cdef bint is_named
    cdef list names = categories, answered = answers, found = []
    new = tuple.__new__  # what is behind Python's constructor of named tuples
    for title in titles:
        best = 0
        for category in range(1, columns):
            if shares[number, category] > shares[number, best]:
                best = category
        is_named = is_any or shares[number, best] >= least[number if is_each else 0, best]
        named = answered[best if is_named else columns]
        found.append(new(kind, (title, ((names[best], shares[number, best]),), named, None)))
        number += 1
    return found


cdef class Skeletons:
    """The skeletons of titles: twin of `skeletons._skeletons`."""

    cdef uint32_t[::1] kinds  # by code point
    cdef object kind_of
    cdef Hashes marks, known

    def __init__(self, kinds, kind_of, marks, known):
        self.kinds, self.kind_of, self.marks, self.known = kinds, kind_of, Hashes(marks), Hashes(known)

    def of(self, titles):
        """Return the skeleton of each title (titles,)."""
        found = np.empty(len(titles), dtype=np.uint64)
        cdef uint64_t[::1] skeletons = found
        cdef Py_ssize_t number = 0
        cdef bint is_unsure
        for title in titles:
            self.skeleton(title, &skeletons[number], &is_unsure)
            number += 1
        return found

    def promising(self, titles):
        """Return the places of titles whose skeletons are known, or may be."""
        cdef uint64_t skeleton
        cdef Py_ssize_t number = 0
        cdef bint is_unsure
        places = []
        for title in titles:
            self.skeleton(title, &skeleton, &is_unsure)
            if is_unsure or self.known.has(skeleton):
                places.append(number)
            number += 1
        return places

    cdef int skeleton(self, object title, uint64_t* skeleton, bint* is_unsure) except -1:
        """Tell the skeleton of a title, and whether it may be another one."""
        cdef uint64_t hashed = 0, power = 1, total = 0
        cdef uint32_t kind
        cdef bint is_word = False, has_digit = False, has_wide = False, has_words = False
        cdef Py_UCS4 character
        is_unsure[0] = False
        for character in text(title):
            kind = self.kinds[character]
            if kind == UNSEEN:
                kind = self.kinds[character] = self.kind_of(character)
            if kind == GAP:
                if is_word:
                    total += self.kept(hashed, has_digit, has_wide)
                    hashed, power, is_word, has_digit, has_wide = 0, 1, False, False, False
                continue
            is_word = has_words = True
            has_digit |= kind == DIGIT
            has_wide |= kind >= WIDE
            is_unsure[0] |= kind == UNSURE
            hashed += kind * power
            power *= FACTOR
        if is_word:
            total += self.kept(hashed, has_digit, has_wide)
        skeleton[0] = total
        is_unsure[0] |= not has_words  # then it is its own key, whatever it has
        return 0

    cdef inline uint64_t kept(self, uint64_t hashed, bint has_digit, bint has_wide) noexcept:
        """Return what a word adds to skeletons: nothing if it may belong to a mark."""
        hashed = (hashed ^ (hashed >> 32)) * FACTOR
        return 0 if has_digit and not has_wide or self.marks.has(hashed) else hashed


cdef class Hashes:
    """A sorted array of hashes, most of which differ in their first bits."""

    cdef const uint64_t[::1] hashes
    cdef uint8_t[::1] are_begun  # by the first bits

    def __init__(self, hashes):
        self.hashes = hashes
        are_begun = np.zeros(1 << FIRST_BITS, dtype=np.uint8)
        are_begun[hashes >> np.uint64(64 - FIRST_BITS)] = True
        self.are_begun = are_begun

    cdef inline bint has(self, uint64_t wanted) noexcept:
        cdef Py_ssize_t first = 0, last = self.hashes.shape[0], middle
        if not self.are_begun[wanted >> (64 - FIRST_BITS)]:  # nearly always, and sooner told
            return False
        while first < last:
            middle = (first + last) // 2
            if self.hashes[middle] < wanted:
                first = middle + 1
            else:
                last = middle
        return first < self.hashes.shape[0] and self.hashes[first] == wanted


cdef inline str text(object title):
    if not isinstance(title, str):
        raise TypeError(f"titles must be text. Got {title!r}. Pass str.")
    return <str>title  # unchecked, as it may be of a class of its own, like numpy's
