# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The slowest parts of prediction, compiled; each has a twin in Python with the same results, bit for bit if possible.

Indices are not checked here: ids, buckets and rows are checked when a bundle is loaded.
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
    void ADD(int16_t* sums, const int16_t* numbers) noexcept nogil  # LANES at once: compilers don't vectorize this
    void ADD_TO_WIDE(int32_t* sums, const int16_t* numbers) noexcept nogil
    void PREFETCH(const void* address) noexcept nogil

cdef enum:
    BOUNDARY = 2  # as in text.characters
    SPACE = 3
    UNSEEN = 0  # as in memory.prefilter
    GAP = 1
    DIGIT = 2
    AMBIGUOUS = 3
    LETTER = 2  # as in text.words
    ALONE = 3
    WIDE = 256
    NO_ID = 0  # of characters not looked up yet
    PREFIX_BITS = 16  # the first bits of a hash, which distinguish most of them
    ANYWHERE = 1  # as in text.plain_titles
    FIRST = 2
    LAST = 4
    LINK = 8
    MOST_SPACES = 2  # in a decoration and before its link

cdef uint64_t FACTOR = 0x9E3779B97F4A7C15  # as in text.ngrams and memory.prefilter


def decode(const uint8_t[:, ::1] scores, const int32_t[::1] rows, const uint8_t[::1] coarse, units, out):
    """Decode the scores (rows, columns) of `rows` (buckets,) into `out` (buckets, width): twin of folded_network's.

    `units` (2, 256, columns) holds the value of each code in fine and in coarse rows.
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
    cdef const int16_t[:, ::1] character_scores  # (characters * length, width)
    cdef const uint8_t[::1] is_scored  # (characters,): whether the scores of a character are computed
    cdef const int64_t[::1] columns
    cdef const float[::1] bias  # (categories,)
    cdef uint8_t[::1] is_order  # (highest order + 1,)
    cdef object alone, line, score_characters
    cdef double unit, least
    cdef uint64_t buckets
    cdef int64_t length
    cdef int64_t max_rows  # whose sum int16 can hold
    cdef bint boundary, across_words

    def __init__(
        self, ids, table, buckets, spelt, is_spelt, columns, bias, orders, alone, line, spell, unit, least, length,
        most, boundary, across_words,
    ):
        self.ids, self.table, self.buckets = ids, table, buckets
        self.character_scores, self.is_scored, self.columns, self.bias = spelt, is_spelt, columns, bias
        is_order = np.zeros(max(orders, default=0) + 1, dtype=np.uint8)
        is_order[list(orders)] = True
        self.is_order = is_order
        self.alone, self.line, self.score_characters = alone, line, spell
        self.unit, self.least, self.length, self.max_rows = unit, least, length, most
        self.boundary, self.across_words = boundary, across_words

    def logits(self, titles):
        """Return logits (titles, categories)."""
        cdef Py_ssize_t row = 0, column, columns = self.columns.shape[0], categories = self.bias.shape[0]
        cdef Py_ssize_t width = self.table.shape[1]
        cdef int64_t count, ngrams, room = self.length - 2 * self.boundary
        cdef float factor
        cdef double familiar
        result = np.zeros((len(titles), categories), dtype=np.float32)
        cdef float[:, ::1] logits = result
        cdef int32_t* ids = <int32_t*>PyMem_Malloc(self.length * sizeof(int32_t))
        cdef int64_t* character_rows = <int64_t*>PyMem_Malloc(self.length * sizeof(int64_t))
        cdef int64_t* buckets = <int64_t*>PyMem_Malloc(self.length * self.is_order.shape[0] * sizeof(int64_t))
        cdef int32_t* sums = <int32_t*>PyMem_Malloc(width * sizeof(int32_t))
        try:
            if ids == NULL or character_rows == NULL or buckets == NULL or sums == NULL:
                raise MemoryError
            for title in titles:
                count = min(self.write_ids(title, ids), room)
                if self.boundary:
                    ids[0] = ids[count + 1] = BOUNDARY
                    count += 2
                self.score_new_characters(ids, count)
                ngrams = self.hash(ids, count, buckets)
                for column in range(count):
                    character_rows[column] = ids[column] * self.length + column
                for column in range(width):
                    sums[column] = 0
                add(&self.character_scores[0, 0], width, character_rows, count, self.max_rows, sums)
                add(&self.table[0, 0], width, buckets, ngrams, self.max_rows, sums)
                familiar = 1
                if self.least > 0 and ngrams > 0:
                    familiar = min(<double>sums[width - 1] / <double>ngrams / self.least, 1.0)
                factor = <float>(self.unit * (familiar * familiar) / sqrt(<double>max(count + ngrams, 1)))
                for column in range(columns):
                    logits[row, self.columns[column]] = <float>(sums[column] * <double>factor)
                for column in range(categories):
                    logits[row, column] += self.bias[column]
                row += 1
        finally:
            PyMem_Free(ids)
            PyMem_Free(character_rows)
            PyMem_Free(buckets)
            PyMem_Free(sums)
        return result

    cdef int64_t write_ids(self, object title_like, int32_t* ids) except -1:
        """Write as many ids of a title as there is room for, and return how many it has."""
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

    cdef int score_new_characters(self, const int32_t* ids, int64_t count) except -1:
        cdef int64_t position
        new = None
        for position in range(count):
            if not self.is_scored[ids[position]]:
                new = {ids[position]} if new is None else new | {ids[position]}
        if new is not None:
            self.score_characters(np.array(sorted(new), dtype=np.int64))
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
                rolled = mix(rolled ^ <uint64_t>ids[start + order - 1])
                if self.is_order[order]:
                    hashed = mix(rolled + <uint64_t>order) >> 32
                    buckets[ngrams] = hashed & (self.buckets - 1) if is_power else hashed % self.buckets
                    PREFETCH(&self.table[buckets[ngrams], 0])
                    ngrams += 1
        return ngrams


cdef void add(
    const int16_t* table, Py_ssize_t width, const int64_t* rows, int64_t count, int64_t max_rows, int32_t* sums
) noexcept nogil:
    """Add rows of a table (rows, width) to sums (width,), at most `max_rows` at a time in int16."""
    cdef Py_ssize_t block = 0, lane
    cdef int64_t index, last
    cdef int16_t partial[LANES]
    while block < width:
        index = last = 0
        while index < count:
            for lane in range(LANES):
                partial[lane] = 0
            last = min(last + max_rows, count)
            while index < last:
                ADD(partial, table + rows[index] * width + block)
                index += 1
            ADD_TO_WIDE(sums + block, partial)
        block += LANES


cdef inline uint64_t mix(uint64_t value) noexcept nogil:
    value = (value + 1) * FACTOR
    return value ^ (value >> 32)


def hash_texts(texts, uint8_t[::1] kinds, kind_of, word_orders, character_orders, uint64_t buckets):
    """Hash the word and character n-grams of case-folded texts: twin of text.words.hash_texts."""
    cdef uint8_t[::1] is_word_order = order_flags(word_orders), is_character_order = order_flags(character_orders)
    cdef int64_t[::1] counts, found
    cdef uint64_t[::1] words, characters
    cdef int64_t row = 0, place = 0, first, count
    cdef uint64_t hashed, power
    cdef uint8_t kind
    cdef Py_UCS4 character
    cdef Py_ssize_t start, longest = 0, total = 0
    cdef bint is_open
    for text_like in texts:
        total += len(text_like) + 2
        longest = max(longest, len(text_like))
    counts = np.zeros(len(texts), dtype=np.int64)
    found = np.empty(total * (len(word_orders) + len(character_orders)), dtype=np.int64)
    words, characters = np.empty(longest + 1, dtype=np.uint64), np.empty(longest + 2, dtype=np.uint64)
    characters[0] = SPACE
    for text_like in texts:
        hashed, power, count, first, start, is_open = 0, 1, 0, place, 1, False
        for character in text(text_like):
            kind = kinds[character]
            if kind == UNSEEN:
                kind = kinds[character] = kind_of(character)
            characters[start] = <uint64_t>character if kind == LETTER else SPACE
            start += 1
            if is_open and kind != LETTER:
                words[count] = hashed
                count += 1
                is_open = False
            if kind == GAP:
                continue
            if not is_open:
                hashed, power, is_open = 0, 1, True
            hashed += <uint64_t>character * power
            power *= FACTOR
            if kind == ALONE:
                words[count] = hashed
                count += 1
                is_open = False
        if is_open:
            words[count] = hashed
            count += 1
        characters[start] = SPACE
        place = hash_ngrams(words, count, is_word_order, buckets, True, found, place)
        place = hash_ngrams(characters, start + 1, is_character_order, buckets, False, found, place)
        counts[row] = place - first
        row += 1
    return np.asarray(found)[:place].copy(), np.asarray(counts)


cdef order_flags(orders):
    flags = np.zeros(max(orders, default=0) + 1, dtype=np.uint8)
    flags[list(orders)] = 1
    return flags


cdef int64_t hash_ngrams(
    const uint64_t[::1] ids, int64_t count, const uint8_t[::1] is_order, uint64_t buckets, bint across_words,
    int64_t[::1] found, int64_t place,
) noexcept nogil:
    """Write the buckets of a sequence's n-grams to `found` from `place` on, and return the place after the last."""
    cdef int64_t start, order, orders = is_order.shape[0] - 1
    cdef uint64_t rolled, hashed
    cdef bint is_power = buckets & (buckets - 1) == 0  # as in Scorer.hash
    for start in range(count):
        rolled = 0
        for order in range(1, min(orders, count - start) + 1):
            if order > 2 and not across_words and ids[start + order - 2] == SPACE:
                break
            rolled = mix(rolled ^ ids[start + order - 1])
            if is_order[order]:
                hashed = mix(rolled + <uint64_t>order) >> 32
                found[place] = hashed & (buckets - 1) if is_power else hashed % buckets
                place += 1
    return place


def row_sums(const int16_t[:, ::1] table, const int64_t[::1] rows, const int64_t[::1] counts, int64_t most):
    """Return the sums (sets, width) of rows of a table, `counts` (sets,) each: twin of score_table's."""
    cdef Py_ssize_t index, width = table.shape[1]
    cdef int64_t start = 0
    result = np.zeros((counts.shape[0], width), dtype=np.int32)
    cdef int32_t[:, ::1] sums = result
    for index in range(counts.shape[0]):
        if counts[index]:
            add(&table[0, 0], width, &rows[start], counts[index], most, &sums[index, 0])
            start += counts[index]
    return result


def probabilities(logits, double value, double slope):
    """Return calibrated probabilities for logits (titles, categories): twin of `calibration.probabilities`."""
    result = np.empty(logits.shape)
    if logits.dtype.char == "f":  # the usual case: copying would take most of the time of a single title
        softmax[float](logits, value, slope, result)
    else:
        softmax[double](logits.astype(np.float64), value, slope, result)
    return result


cdef void softmax(const floating[:, :] logits, double value, double slope, double[:, ::1] result):
    cdef Py_ssize_t title, category, categories = logits.shape[1]
    cdef double highest, total, factor
    for title in range(logits.shape[0]):
        highest, total = logits[title, 0], 0
        for category in range(categories):
            highest = max(highest, logits[title, category])
        for category in range(categories):
            total += exp(logits[title, category] - highest)
        # -log(total) is the log-probability of the top category.
        factor, total = (1 + slope * log(total)) / value, 0
        for category in range(categories):
            result[title, category] = exp((logits[title, category] - highest) * factor)
            total += result[title, category]
        for category in range(categories):
            result[title, category] /= total


def top1(prediction, titles, const double[:, ::1] probabilities, const double[:, ::1] thresholds, categories, names):
    """Return an instance of the type `prediction` for the top category of each title: twin of prediction.top1.

    Shapes are (titles, categories) for `probabilities`, and (1 or titles, categories) for `thresholds`.
    """
    cdef Py_ssize_t row = 0, category, best, columns = probabilities.shape[1]
    cdef bint has_thresholds = thresholds is not None, is_per_title = has_thresholds and thresholds.shape[0] > 1
    cdef bint is_named
    cdef list category_names = categories, named_by_category = names, predictions = []
    new = tuple.__new__  # a named tuple's own constructor is slower
    for title in titles:
        best = 0
        for category in range(1, columns):
            if probabilities[row, category] > probabilities[row, best]:
                best = category
        is_named = not has_thresholds or probabilities[row, best] >= thresholds[row if is_per_title else 0, best]
        named = named_by_category[best if is_named else columns]
        candidates = ((category_names[best], probabilities[row, best]),)
        predictions.append(new(prediction, (title, candidates, named, None, None)))
        row += 1
    return predictions


cdef class Marks:
    """A search for titles that may not be plain, so that text.plain_titles looks at few.

    `marks` says by code point where a character makes a title worth a look: anywhere, as the first or the last one, or
    as a link behind one of the `decorations`. Brackets at the end do if a decoration is between them; `openings` has
    the opening one of each closing one.
    """

    cdef const uint8_t[::1] marks
    cdef frozenset decorations
    cdef dict openings

    def __init__(self, marks, decorations, openings):
        self.marks, self.decorations, self.openings = marks, decorations, openings

    def rows(self, titles):
        """Return the rows of these titles, in increasing order."""
        cdef const uint8_t* marks = &self.marks[0]
        cdef Py_ssize_t row = 0
        cdef list rows = None
        for title in titles:
            if self.is_marked(text(title), marks):
                if rows is None:
                    rows = []
                rows.append(row)
            row += 1
        return rows

    cdef bint is_marked(self, str title, const uint8_t* marks) except -1:
        cdef Py_ssize_t place = 0, spaces = 0, length = len(title)
        cdef Py_UCS4 character, previous = 0
        cdef uint8_t mark
        for character in title:
            mark = marks[character]
            if mark:
                if mark & ANYWHERE or (mark & FIRST and place == 0):
                    return True
                if mark & LINK and spaces <= MOST_SPACES and (character == u":" or previous == u" "):
                    if title[:place].rstrip().casefold() in self.decorations:
                        return True
                if mark & LAST and place == length - 1:
                    return self.has_decoration_last(title, character, previous)
                spaces += character == u" "
            previous = character
            place += 1
        return False

    cdef bint has_decoration_last(self, str title, Py_UCS4 last, Py_UCS4 previous) except -1:
        opening = self.openings.get(last)
        if opening is None:
            return last not in u"DK" or previous in u"H48"
        return title[title.rfind(opening, 0, -1) + 1 : len(title) - 1].strip().casefold() in self.decorations


cdef class Skeletons:
    """The skeletons of titles: twin of its namesake in memory.prefilter."""

    cdef uint32_t[::1] symbols  # by code point
    cdef object symbol_of
    cdef Hashes markers, known

    def __init__(self, symbols, symbol_of, markers, known):
        self.symbols, self.symbol_of, self.markers, self.known = symbols, symbol_of, Hashes(markers), Hashes(known)

    def of(self, titles):
        """Return the skeleton of each title (titles,)."""
        result = np.empty(len(titles), dtype=np.uint64)
        cdef uint64_t[::1] skeletons = result
        cdef Py_ssize_t row = 0
        cdef bint is_ambiguous
        for title in titles:
            self.skeleton(title, &skeletons[row], &is_ambiguous)
            row += 1
        return result

    def promising(self, titles):
        """Return the rows of all titles that may be known, in increasing order."""
        cdef uint64_t skeleton
        cdef Py_ssize_t row = 0
        cdef bint is_ambiguous
        rows = []
        for title in titles:
            self.skeleton(title, &skeleton, &is_ambiguous)
            if is_ambiguous or self.known.has(skeleton):
                rows.append(row)
            row += 1
        return rows

    cdef int skeleton(self, object title, uint64_t* skeleton, bint* is_ambiguous) except -1:
        """Write the skeleton of a title, and whether its key may have another one."""
        cdef uint64_t hashed = 0, power = 1, total = 0
        cdef uint32_t symbol
        cdef bint is_word = False, has_digit = False, has_wide = False, has_words = False
        cdef Py_UCS4 character
        is_ambiguous[0] = False
        for character in text(title):
            symbol = self.symbols[character]
            if symbol == UNSEEN:
                symbol = self.symbols[character] = self.symbol_of(character)
            if symbol == GAP:
                if is_word:
                    total += self.word_hash(hashed, has_digit, has_wide)
                    hashed, power, is_word, has_digit, has_wide = 0, 1, False, False, False
                continue
            is_word = has_words = True
            has_digit |= symbol == DIGIT
            has_wide |= symbol >= WIDE
            is_ambiguous[0] |= symbol == AMBIGUOUS
            hashed += symbol * power
            power *= FACTOR
        if is_word:
            total += self.word_hash(hashed, has_digit, has_wide)
        skeleton[0] = total
        is_ambiguous[0] |= not has_words  # a title without words is its own key
        return 0

    cdef inline uint64_t word_hash(self, uint64_t hashed, bint has_digit, bint has_wide) noexcept:
        """Return what a word adds to the skeleton: 0 if it may belong to an episode marker."""
        hashed = (hashed ^ (hashed >> 32)) * FACTOR
        return 0 if has_digit and not has_wide or self.markers.has(hashed) else hashed


cdef class Hashes:
    """A sorted array of hashes, most of them with different first bits."""

    cdef const uint64_t[::1] hashes
    cdef uint8_t[::1] has_prefix  # by the first bits

    def __init__(self, hashes):
        self.hashes = hashes
        has_prefix = np.zeros(1 << PREFIX_BITS, dtype=np.uint8)
        has_prefix[hashes >> np.uint64(64 - PREFIX_BITS)] = True
        self.has_prefix = has_prefix

    cdef inline bint has(self, uint64_t hash) noexcept:
        cdef Py_ssize_t first = 0, last = self.hashes.shape[0], middle
        if not self.has_prefix[hash >> (64 - PREFIX_BITS)]:  # the usual case, and faster than a search
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
