# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The slowest parts of prediction, compiled; each has a twin in Python with the same results, to the bit if possible.

Indices are not checked here: loading a bundle has checked ids, buckets and rows.
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
    enum: LANES  # as in folded_network
    void ADD(int16_t* sums, const int16_t* numbers) noexcept nogil  # LANES at once: compilers don't vectorize it
    void ADD_TO_WIDE(int32_t* sums, const int16_t* numbers) noexcept nogil
    void PREFETCH(const void* address) noexcept nogil

cdef enum:
    BOUNDARY = 2  # as in text.characters
    SPACE = 3
    UNSEEN = 0  # as in memory.prefilter
    GAP = 1
    DIGIT = 2
    UNSURE = 3
    WIDE = 256
    NO_ID = 0  # of characters that were not looked up yet
    FIRST_BITS = 16  # of a hash, which distinguish most

cdef uint64_t FACTOR = 0x9E3779B97F4A7C15  # as in text.ngrams and memory.prefilter


def decode(const uint8_t[:, ::1] scores, const int32_t[::1] rows, const uint8_t[::1] coarse, units, out):
    """Decode the scores (rows, columns) of `rows` (buckets,) into `out` (buckets, width): twin of folded_network's.

    `units` (2, 256, columns) has the value of each code in fine and in coarse rows.
    """
    cdef const int16_t[:, :, ::1] values = units
    cdef int16_t[:, ::1] table = out
    cdef Py_ssize_t bucket, row, column, columns = scores.shape[1]
    for bucket in range(rows.shape[0]):
        row = rows[bucket]
        if row < scores.shape[0]:
            for column in range(columns):
                table[bucket, column] = values[coarse[row], scores[row, column], column]
        for column in range(columns if row < scores.shape[0] else 0, table.shape[1]):
            table[bucket, column] = 0


cdef class Scorer:
    """The logits of a folded network: twin of `Characters.line` and of the network's logits."""

    cdef int32_t[::1] ids  # by code point: NO_ID, or the result of `alone`
    cdef const int16_t[:, ::1] table  # (buckets, width)
    cdef const int16_t[:, ::1] spelt  # (characters * length, width)
    cdef const uint8_t[::1] is_spelt  # (characters,)
    cdef const int64_t[::1] columns
    cdef const float[::1] bias  # (categories,)
    cdef uint8_t[::1] is_order  # (highest order + 1,)
    cdef object alone, line, spell
    cdef double unit
    cdef uint64_t buckets
    cdef int64_t length, most  # rows whose sum int16 can hold
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
        cdef Py_ssize_t row = 0, column, columns = self.columns.shape[0], categories = self.bias.shape[0]
        cdef Py_ssize_t width = self.table.shape[1]
        cdef int64_t count, ngrams, room = self.length - 2 * self.boundary
        cdef float factor
        result = np.zeros((len(titles), categories), dtype=np.float32)
        cdef float[:, ::1] logits = result
        cdef int32_t* ids = <int32_t*>PyMem_Malloc(self.length * sizeof(int32_t))
        cdef int64_t* spelt = <int64_t*>PyMem_Malloc(self.length * sizeof(int64_t))
        cdef int64_t* buckets = <int64_t*>PyMem_Malloc(self.length * self.is_order.shape[0] * sizeof(int64_t))
        cdef int32_t* sums = <int32_t*>PyMem_Malloc(width * sizeof(int32_t))
        try:
            if ids == NULL or spelt == NULL or buckets == NULL or sums == NULL:
                raise MemoryError
            for title in titles:
                count = min(self.write_ids(title, ids), room)
                if self.boundary:
                    ids[0] = ids[count + 1] = BOUNDARY
                    count += 2
                self.spell_new(ids, count)
                ngrams = self.hash(ids, count, buckets)
                for column in range(count):
                    spelt[column] = ids[column] * self.length + column
                for column in range(width):
                    sums[column] = 0
                add(&self.spelt[0, 0], width, spelt, count, self.most, sums)
                add(&self.table[0, 0], width, buckets, ngrams, self.most, sums)
                factor = <float>(self.unit / sqrt(<double>max(count + ngrams, 1)))
                for column in range(columns):
                    logits[row, self.columns[column]] = <float>(sums[column] * <double>factor)
                for column in range(categories):
                    logits[row, column] += self.bias[column]
                row += 1
        finally:
            PyMem_Free(ids)
            PyMem_Free(spelt)
            PyMem_Free(buckets)
            PyMem_Free(sums)
        return result

    cdef int64_t write_ids(self, object title_like, int32_t* ids) except -1:
        """Write the ids of a title, as many as there is room for, and return how many it has."""
        cdef int64_t count = 0, room = self.length - 2 * self.boundary
        cdef int32_t id
        cdef Py_UCS4 character
        cdef bint after_space = False
        cdef str title = text(title_like)
        ids += self.boundary
        for character in title:
            id = self.ids[character]
            if id == NO_ID:
                id = self.ids[character] = self.alone(character)
            if id < 0:
                return self.write_ids_in_context(title, ids)
            if id == SPACE:
                after_space = count > 0
                continue
            if after_space:
                if count < room:
                    ids[count] = SPACE
                count += 1
                after_space = False
            if count < room:
                ids[count] = id
            count += 1
        return count

    cdef int64_t write_ids_in_context(self, str title, int32_t* ids) except -1:
        """Do the same for a title with characters whose ids depend on their neighbours."""
        cdef int64_t position
        line, _ = self.line([title])
        cdef const int64_t[::1] inside = line[self.boundary : len(line) - self.boundary]
        for position in range(inside.shape[0]):
            ids[position] = <int32_t>inside[position]
        return inside.shape[0]

    cdef int spell_new(self, const int32_t* ids, int64_t count) except -1:
        cdef int64_t position
        new = None
        for position in range(count):
            if not self.is_spelt[ids[position]]:
                new = {ids[position]} if new is None else new | {ids[position]}
        if new is not None:
            self.spell(np.array(sorted(new), dtype=np.int64))
        return 0

    cdef int64_t hash(self, const int32_t* ids, int64_t count, int64_t* buckets) noexcept nogil:
        """Write the buckets of a title's n-grams, and return how many there are."""
        cdef int64_t start, order, ngrams = 0, orders = self.is_order.shape[0] - 1
        cdef uint64_t rolled, hashed
        cdef bint is_power = self.buckets & (self.buckets - 1) == 0  # a mask is much faster than the remainder
        for start in range(count):
            rolled = 0
            for order in range(1, min(orders, count - start) + 1):
                if order > 2 and not self.across_words and ids[start + order - 2] == SPACE:
                    break
                rolled = mixed(rolled ^ <uint64_t>ids[start + order - 1])
                if self.is_order[order]:
                    hashed = mixed(rolled + <uint64_t>order) >> 32
                    buckets[ngrams] = hashed & (self.buckets - 1) if is_power else hashed % self.buckets
                    PREFETCH(&self.table[buckets[ngrams], 0])
                    ngrams += 1
        return ngrams


cdef void add(
    const int16_t* table, Py_ssize_t width, const int64_t* rows, int64_t count, int64_t most, int32_t* sums
) noexcept nogil:
    """Add rows of a table (rows, width) to sums (width,), at most `most` at a time in int16."""
    cdef Py_ssize_t block = 0, lane
    cdef int64_t index, last
    cdef int16_t partial[LANES]
    while block < width:
        index = last = 0
        while index < count:
            for lane in range(LANES):
                partial[lane] = 0
            last = min(last + most, count)
            while index < last:
                ADD(partial, table + rows[index] * width + block)
                index += 1
            ADD_TO_WIDE(sums + block, partial)
        block += LANES


cdef inline uint64_t mixed(uint64_t value) noexcept nogil:
    value = (value + 1) * FACTOR
    return value ^ (value >> 32)


def probabilities(logits, double value, double slope):
    """Return the calibrated probabilities of logits (titles, categories): twin of `calibration.probabilities`."""
    result = np.empty(logits.shape)
    if logits.dtype.char == "f":  # nearly always: copying the logits of one title would take most of the time
        softmax[float](logits, value, slope, result)
    else:
        softmax[double](logits.astype(np.float64), value, slope, result)
    return result


cdef void softmax(const floating[:, :] logits, double value, double slope, double[:, ::1] result):
    cdef Py_ssize_t title, category, categories = logits.shape[1]
    cdef double most, total, factor
    for title in range(logits.shape[0]):
        most, total = logits[title, 0], 0
        for category in range(categories):
            most = max(most, logits[title, category])
        for category in range(categories):
            total += exp(logits[title, category] - most)
        # -log(total) is the log-probability of the top category.
        factor, total = (1 + slope * log(total)) / value, 0
        for category in range(categories):
            result[title, category] = exp((logits[title, category] - most) * factor)
            total += result[title, category]
        for category in range(categories):
            result[title, category] /= total


def likeliest(kind, titles, const double[:, ::1] shares, const double[:, ::1] least, categories, answers):
    """Return a prediction of type `kind` for the top category of each title: twin of its namesake in Python.

    `shares` (titles, categories) are probabilities, and `least` (1 or titles, categories) what they must reach.
    """
    cdef Py_ssize_t row = 0, category, best, columns = shares.shape[1]
    cdef bint has_thresholds = least is not None, is_per_title = has_thresholds and least.shape[0] > 1
    cdef bint is_named
    cdef list names = categories, answered = answers, predictions = []
    new = tuple.__new__  # a named tuple's own constructor is slower
    for title in titles:
        best = 0
        for category in range(1, columns):
            if shares[row, category] > shares[row, best]:
                best = category
        is_named = not has_thresholds or shares[row, best] >= least[row if is_per_title else 0, best]
        named = answered[best if is_named else columns]
        predictions.append(new(kind, (title, ((names[best], shares[row, best]),), named, None)))
        row += 1
    return predictions


cdef class Skeletons:
    """The skeletons of titles: twin of those of memory.prefilter."""

    cdef uint32_t[::1] kinds  # by code point
    cdef object kind_of
    cdef Hashes marks, known

    def __init__(self, kinds, kind_of, marks, known):
        self.kinds, self.kind_of, self.marks, self.known = kinds, kind_of, Hashes(marks), Hashes(known)

    def of(self, titles):
        """Return the skeleton of each title (titles,)."""
        result = np.empty(len(titles), dtype=np.uint64)
        cdef uint64_t[::1] skeletons = result
        cdef Py_ssize_t row = 0
        cdef bint is_unsure
        for title in titles:
            self.skeleton(title, &skeletons[row], &is_unsure)
            row += 1
        return result

    def promising(self, titles):
        """Return the indices of titles whose skeletons are known, or may be."""
        cdef uint64_t skeleton
        cdef Py_ssize_t row = 0
        cdef bint is_unsure
        rows = []
        for title in titles:
            self.skeleton(title, &skeleton, &is_unsure)
            if is_unsure or self.known.has(skeleton):
                rows.append(row)
            row += 1
        return rows

    cdef int skeleton(self, object title, uint64_t* skeleton, bint* is_unsure) except -1:
        """Write the skeleton of a title, and whether it is uncertain."""
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
        is_unsure[0] |= not has_words  # such a title is its own key
        return 0

    cdef inline uint64_t kept(self, uint64_t hashed, bint has_digit, bint has_wide) noexcept:
        """Return what a word adds to its skeleton: nothing if it may belong to an episode marker."""
        hashed = (hashed ^ (hashed >> 32)) * FACTOR
        return 0 if has_digit and not has_wide or self.marks.has(hashed) else hashed


cdef class Hashes:
    """A sorted array of hashes, most of them with different first bits."""

    cdef const uint64_t[::1] hashes
    cdef uint8_t[::1] has_prefix  # by the first bits

    def __init__(self, hashes):
        self.hashes = hashes
        has_prefix = np.zeros(1 << FIRST_BITS, dtype=np.uint8)
        has_prefix[hashes >> np.uint64(64 - FIRST_BITS)] = True
        self.has_prefix = has_prefix

    cdef inline bint has(self, uint64_t hash) noexcept:
        cdef Py_ssize_t first = 0, last = self.hashes.shape[0], middle
        if not self.has_prefix[hash >> (64 - FIRST_BITS)]:  # nearly always, and faster than a search
            return False
        while first < last:
            middle = (first + last) // 2
            if self.hashes[middle] < hash:
                first = middle + 1
            else:
                last = middle
        return first < self.hashes.shape[0] and self.hashes[first] == hash


cdef inline str text(object title):
    if not isinstance(title, str):
        raise TypeError(f"titles must be text. Got {title!r}. Pass str.")
    return <str>title  # not type-checked: it may be of a subclass, such as numpy's
