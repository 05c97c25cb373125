// Attention forward and backward, over sequences of unequal length that lie in one array.
//
// Built and called by native.py. Rotary positions, softmax and all sums are float32. Sums are cut by the length of a
// sequence alone and each piece has its own output, so the bits depend neither on the threads nor on the batch.
//
// Letters: L tokens of a sequence, E width of a head, G numbers in a word (1 or 2).

#include "native.h"

#include <cmath>
#include <initializer_list>

namespace {

constexpr long QUERIES = 48;         // queries that the forward pass looks at together
constexpr long SUMMED = 192;         // products that are added up before the sum joins the others: less rounding
constexpr long BLOCK = 144;          // queries, and keys, that the backward pass looks at together
constexpr long KEYS = 48;
constexpr long BACKWARD_CUT = 1024;  // keys in a piece of backward work, at most, but for MOST_CUTS
constexpr long MOST_CUTS = 4;

extern "C" struct Task {
    const void *query, *key, *value;  // of one head, row to row and head to head by the strides below
    int64_t query_row, query_head, key_row, key_head, value_row, value_head;
    const float *cos, *sin;  // [L, E / 2], or null: no rotary positions
    int64_t turn_row;        // from row to row of these
    const int32_t *spans;    // [sequences, 2]: first row and the row after the last
    int64_t sequences, rows, heads, width;
    float scale;
    int32_t half, threads;
    void *out;       // [rows, heads, E]
    float *weight;   // [heads, rows]: logarithm of the sum of exponentials
    const void *out_gradient;  // [rows, heads, E], as are the next three
    void *query_gradient, *key_gradient, *value_gradient;
    float *partial;  // [MOST_CUTS, rows, heads, E]
};

// Rows from one array to another, scaled, and turned by their positions: forwards (1), back (-1) or not at all (0).
template <class From, class To>
void turn_rows(const Task &task, const From *from, long from_row, To *to, long to_row, long count, long position,
               int turn, float scale = 1.f) {
    const long middle = task.width / 2;
    const __m512 factor = _mm512_set1_ps(scale), sign = _mm512_set1_ps(turn);
    if (!task.cos) turn = 0;
    for (long i = 0; i < count; i++, from += from_row, to += to_row)
        for (long e = 0; e < middle; e += LANES) {
            const __mmask16 mask = first(middle - e);
            __m512 low = _mm512_mul_ps(load(from + e, mask), factor);
            __m512 high = _mm512_mul_ps(load(from + middle + e, mask), factor);
            if (turn) {
                const long at = (position + i) * task.turn_row + e;
                const __m512 c = load(task.cos + at, mask), was = low;
                const __m512 s = _mm512_mul_ps(load(task.sin + at, mask), sign);
                low = _mm512_fmsub_ps(was, c, _mm512_mul_ps(high, s));
                high = _mm512_fmadd_ps(high, c, _mm512_mul_ps(was, s));
            }
            store(to + e, mask, low);
            store(to + middle + e, mask, high);
        }
}

// Rows of a head to words [padded, E / G]; rows beyond the count are 0.
template <class From>
void read_rows(const Task &task, const From *from, long stride, long count, long padded, long position, int turn,
               Word *to) {
    From *rows = (From *)to;
    turn_rows(task, from, stride, rows, task.width, count, position, turn);
    memset(rows + count * task.width, 0, (padded - count) * task.width * sizeof(From));
}

template <bool HALF> auto *at(const void *base, long row, long row_stride, long head, long head_stride) {
    return (const Number<HALF> *)base + row * row_stride + head * head_stride;
}

// ---- forward ---------------------------------------------------------------------------------------------------

float highest(const float *scores, long count) {
    __m512 found = _mm512_set1_ps(-INFINITY);
    long j = 0;
    for (; j + LANES <= count; j += LANES) found = _mm512_max_ps(_mm512_loadu_ps(scores + j), found);
    if (j < count) found = _mm512_mask_max_ps(found, first(count - j), _mm512_loadu_ps(scores + j), found);
    return _mm512_reduce_max_ps(found);
}

// Exponentials of scores, scaled and less `top`, and 0 beyond their count; returns their sum.
template <bool HALF>
float exponentials(const float *scores, long count, float scale, float top, Number<HALF> *to) {
    const __m512 scales = _mm512_set1_ps(scale), tops = _mm512_set1_ps(top);
    __m512 sum = _mm512_setzero_ps();
    long j = 0;
    for (; j + LANES <= count; j += LANES) {
        const __m512 x = exponential<HALF>(_mm512_fmsub_ps(_mm512_loadu_ps(scores + j), scales, tops));
        sum = _mm512_add_ps(sum, x);
        store(to + j, 0xffff, x);
    }
    if (j < count) {
        __m512 x = exponential<HALF>(_mm512_fmsub_ps(_mm512_loadu_ps(scores + j), scales, tops));
        x = _mm512_maskz_mov_ps(first(count - j), x);
        sum = _mm512_add_ps(sum, x);
        store(to + j, 0xffff, x);
    }
    return _mm512_reduce_add_ps(sum);
}

// Queries [begin, end) of one head against all keys of its sequence.
template <bool HALF> void forward_piece(const Task &task, long start, long tokens, long head, long begin, long end) {
    const long width = task.width, wide = width / G<HALF>, keys = round_up(tokens, LANES), line = keys + LANES;
    scratch.reserve((3 * keys * wide + QUERIES * (wide + 2 * line + width) + 1024) * sizeof(Word));
    Word *key_rows = scratch.take<Word>(keys * wide), *key_columns = scratch.take<Word>(keys * wide);
    Word *values = scratch.take<Word>(keys * wide), *query = scratch.take<Word>(QUERIES * wide);
    float *scores = scratch.take<float>(QUERIES * line), *out = scratch.take<float>(QUERIES * width);
    Word *weights = scratch.take<Word>(QUERIES * line);
    const auto *value = at<HALF>(task.value, start, task.value_row, head, task.value_head);
    read_rows(task, value, task.value_row, tokens, keys, 0, 0, key_rows);
    pair_rows<HALF>(key_rows, values, keys, width);
    const auto *key = at<HALF>(task.key, start, task.key_row, head, task.key_head);
    read_rows(task, key, task.key_row, tokens, keys, 0, 1, key_rows);
    to_columns(key_rows, key_columns, keys, wide);
    for (long i = begin; i < end; i += QUERIES) {
        const long count = std::min(QUERIES, end - i), rows = round_up(count, TILE);
        const auto *from = at<HALF>(task.query, start + i, task.query_row, head, task.query_head);
        read_rows(task, from, task.query_row, count, rows, i, 1, query);
        multiply<HALF>(query, wide, {key_columns, LANES, wide * LANES}, scores, line, rows, keys, wide, false);
        float share[QUERIES];
        for (long r = 0; r < count; r++) {
            const float *score = scores + r * line, top = highest(score, tokens) * task.scale;
            const float sum = exponentials<HALF>(score, tokens, task.scale, top, (Number<HALF> *)(weights + r * line));
            share[r] = 1.f / sum;
            task.weight[head * task.rows + start + i + r] = top + std::log(sum);
        }
        for (long j = 0; j < keys; j += SUMMED) {
            const Panel some{values + j / G<HALF> * width, width, LANES};
            const long deep = std::min(SUMMED, keys - j) / G<HALF>;
            multiply<HALF>(weights + j / G<HALF>, line, some, out, width, rows, width, deep, j > 0);
        }
        for (long r = 0; r < count; r++) {
            auto *to = (Number<HALF> *)task.out + ((start + i + r) * task.heads + head) * width;
            for (long e = 0; e < width; e += LANES)
                store(to + e, 0xffff, _mm512_mul_ps(_mm512_loadu_ps(out + r * width + e), _mm512_set1_ps(share[r])));
        }
    }
}

// ---- backward --------------------------------------------------------------------------------------------------

// What a block of queries has to say to the keys.
template <bool HALF> struct Queries {
    Word *rows, *turned, *gradient_rows, *gradient_turned;  // rows [i, words of e]; turned [e, words of i]
    float *sum;                                             // gradient of the query, [i, E]
    float top[BLOCK], product[BLOCK];                       // logarithm of the sum; output times its gradient
};

// Weights and gradients of scores of rows [at, at + TILE) of a block, from their scores and gradients of weights; both
// come out in pairs of rows, and the gradients by row too. Rows that pad the block have zeros everywhere.
template <bool HALF>
void weigh(const Queries<HALF> &q, long at, long keys, float scale, const float *scores, const float *gradients,
           Word *weights, Word *pairs, Word *by_row) {
    const __m512i zip = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    for (long j = 0; j < KEYS; j += LANES) {
        const __mmask16 mask = first(keys - j);
        for (long r = 0; r < TILE; r += G<HALF>) {
            const long i = at + r;
            __m512 p[2], ds[2];
            for (long g = 0; g < G<HALF>; g++) {
                const __m512 score = _mm512_loadu_ps(scores + (r + g) * KEYS + j), top = _mm512_set1_ps(q.top[i + g]);
                const __m512 x = _mm512_fmsub_ps(score, _mm512_set1_ps(scale), top);
                p[g] = _mm512_maskz_mov_ps(mask, exponential<HALF>(x));
                const __m512 gradient = _mm512_loadu_ps(gradients + (r + g) * KEYS + j);
                ds[g] = _mm512_mul_ps(_mm512_sub_ps(gradient, _mm512_set1_ps(q.product[i + g])), p[g]);
            }
            if constexpr (HALF) {
                const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(p[1], p[0]);
                const __m512i ours = (__m512i)_mm512_cvtne2ps_pbh(ds[1], ds[0]);
                _mm512_storeu_si512(weights + i / 2 * KEYS + j, _mm512_permutexvar_epi16(zip, both));
                _mm512_storeu_si512(pairs + i / 2 * KEYS + j, _mm512_permutexvar_epi16(zip, ours));
                _mm256_storeu_si256((__m256i *)(by_row + (i * KEYS + j) / 2), _mm512_castsi512_si256(ours));
                _mm256_storeu_si256((__m256i *)(by_row + ((i + 1) * KEYS + j) / 2), _mm512_extracti64x4_epi64(ours, 1));
            } else {
                _mm512_storeu_ps((float *)weights + i * KEYS + j, p[0]);
                _mm512_storeu_ps((float *)pairs + i * KEYS + j, ds[0]);
            }
        }
    }
}

// Keys [begin, end) of one head against all queries of its sequence: their gradients, and a part of the queries'.
template <bool HALF>
void backward_piece(const Task &task, long start, long tokens, long head, long begin, long end, float *partial) {
    constexpr long AREA = KEYS * BLOCK;
    const long width = task.width, wide = width / G<HALF>, row = task.heads * width;
    const long blocks = (end - begin + KEYS - 1) / KEYS, keys = blocks * KEYS;
    const long most = 4 * keys * wide + 2 * keys * width + (6 * BLOCK + KEYS) * width + 5 * AREA + 1024;
    scratch.reserve(most * sizeof(Word));
    Word *rows = scratch.take<Word>(keys * wide), *key_columns = scratch.take<Word>(keys * wide);
    Word *key_pairs = scratch.take<Word>(keys * wide), *value_columns = scratch.take<Word>(keys * wide);
    float *key_sum = scratch.take<float>(keys * width), *value_sum = scratch.take<float>(keys * width);
    float *scores = scratch.take<float>(TILE * KEYS), *gradients = scratch.take<float>(TILE * KEYS);
    Word *weights = scratch.take<Word>(AREA), *pairs = scratch.take<Word>(AREA), *by_row = scratch.take<Word>(AREA);
    if constexpr (!HALF) by_row = pairs;
    Word *buffer = scratch.take<Word>(BLOCK * wide);
    Queries<HALF> q;
    q.rows = scratch.take<Word>(BLOCK * wide), q.turned = scratch.take<Word>(BLOCK * wide);
    q.gradient_rows = scratch.take<Word>(BLOCK * wide), q.gradient_turned = scratch.take<Word>(BLOCK * wide);
    q.sum = scratch.take<float>(BLOCK * width);

    const auto *value = at<HALF>(task.value, start + begin, task.value_row, head, task.value_head);
    read_rows(task, value, task.value_row, end - begin, keys, 0, 0, rows);
    to_columns(rows, value_columns, keys, wide);
    const auto *key = at<HALF>(task.key, start + begin, task.key_row, head, task.key_head);
    read_rows(task, key, task.key_row, end - begin, keys, begin, 1, rows);
    to_columns(rows, key_columns, keys, wide);
    pair_rows<HALF>(rows, key_pairs, keys, width);
    memset(key_sum, 0, keys * width * sizeof(float));
    memset(value_sum, 0, keys * width * sizeof(float));

    for (long i = 0; i < tokens; i += BLOCK) {
        const long count = std::min(BLOCK, tokens - i), padded = round_up(count, TILE), deep = padded / G<HALF>;
        const auto *from = at<HALF>(task.query, start + i, task.query_row, head, task.query_head);
        read_rows(task, from, task.query_row, count, padded, i, 1, q.rows);
        pair_rows<HALF>(q.rows, buffer, padded, width);
        transpose(buffer, q.turned, deep, width);
        const auto *gradient = at<HALF>(task.out_gradient, start + i, row, head, width);
        read_rows(task, gradient, row, count, padded, i, 0, q.gradient_rows);
        pair_rows<HALF>(q.gradient_rows, buffer, padded, width);
        transpose(buffer, q.gradient_turned, deep, width);
        const auto *out = at<HALF>(task.out, start + i, row, head, width);
        for (long r = 0; r < padded; r++) {
            __m512 sum = _mm512_setzero_ps();
            for (long e = 0; r < count && e < width; e += LANES)
                sum = _mm512_fmadd_ps(load(out + r * row + e, 0xffff), load(gradient + r * row + e, 0xffff), sum);
            q.product[r] = _mm512_reduce_add_ps(sum);
            q.top[r] = r < count ? task.weight[head * task.rows + start + i + r] : 0.f;
        }
        for (long b = 0; b < blocks; b++) {
            const long skip = b * KEYS;
            const Panel k{key_columns + skip * wide, LANES, wide * LANES};
            const Panel v{value_columns + skip * wide, LANES, wide * LANES};
            for (long r = 0; r < padded; r += TILE) {
                multiply<HALF>(q.rows + r * wide, wide, k, scores, KEYS, TILE, KEYS, wide, false);
                multiply<HALF>(q.gradient_rows + r * wide, wide, v, gradients, KEYS, TILE, KEYS, wide, false);
                weigh<HALF>(q, r, end - begin - skip, task.scale, scores, gradients, weights, pairs, by_row);
            }
            const Panel ours{key_pairs + skip * wide, width, LANES};
            multiply<HALF>(by_row, KEYS / G<HALF>, ours, q.sum, width, padded, width, KEYS / G<HALF>, b > 0);
            multiply<HALF>(q.turned, deep, {pairs, KEYS, LANES}, key_sum + skip * width, KEYS, width, KEYS, deep, true);
            multiply<HALF>(q.gradient_turned, deep, {weights, KEYS, LANES}, value_sum + skip * width, KEYS, width, KEYS,
                           deep, true);
        }
        for (long r = 0; r < count; r++)
            memcpy(partial + (start + i + r) * row + head * width, q.sum + r * width, width * sizeof(float));
    }
    float *turned = scratch.take<float>(KEYS * width);
    for (long b = 0; b < blocks; b++) {
        const long skip = b * KEYS, count = std::min(KEYS, end - begin - skip);
        const long to = (start + begin + skip) * row + head * width;
        auto *key_to = (Number<HALF> *)task.key_gradient + to, *value_to = (Number<HALF> *)task.value_gradient + to;
        transpose((Word *)(key_sum + skip * width), (Word *)turned, width, KEYS);
        turn_rows(task, turned, width, key_to, row, count, begin + skip, -1, task.scale);
        transpose((Word *)(value_sum + skip * width), (Word *)turned, width, KEYS);
        turn_rows(task, turned, width, value_to, row, count, 0, 0);
    }
}

// Gradients of one head's queries: the parts that the pieces left, added in their order, turned back.
template <bool HALF> void gather_queries(const Task &task, long start, long tokens, long head, long cuts) {
    const long width = task.width, row = task.heads * width;
    for (long i = 0; i < tokens; i++) {
        float *sum = task.partial + (start + i) * row + head * width;
        for (long cut = 1; cut < cuts; cut++)
            for (long e = 0; e < width; e += LANES) {
                const __m512 part = _mm512_loadu_ps(sum + cut * task.rows * row + e);
                _mm512_storeu_ps(sum + e, _mm512_add_ps(_mm512_loadu_ps(sum + e), part));
            }
        auto *to = (Number<HALF> *)task.query_gradient + (start + i) * row + head * width;
        turn_rows(task, sum, row, to, row, 1, i, -1, task.scale);
    }
}

// ---- sharing the work out --------------------------------------------------------------------------------------

// Keys in a piece of backward work: a matter of the sequence alone, so that sums are always added in the same order.
long cut_length(long tokens) {
    const long cuts = std::clamp((tokens + BACKWARD_CUT - 1) / BACKWARD_CUT, 1L, MOST_CUTS);
    return std::max(KEYS, round_up((tokens + cuts - 1) / cuts, KEYS));
}

// Rows that belong to no sequence are 0.
template <bool HALF> void clear_gaps(const Task &task, std::initializer_list<void *> arrays) {
    const long row = task.heads * task.width;
    long seen = 0;
    for (long s = 0; s <= task.sequences; s++) {
        const long next = s < task.sequences ? task.spans[2 * s] : task.rows;
        for (void *array : arrays)
            if (next > seen) memset((Number<HALF> *)array + seen * row, 0, (next - seen) * row * sizeof(Number<HALF>));
        if (s < task.sequences) seen = task.spans[2 * s + 1];
    }
}

// Nanoseconds, roughly.
long steps(const Task &task) {
    long pairs = 0;
    for (long s = 0; s < task.sequences; s++) {
        const long tokens = task.spans[2 * s + 1] - task.spans[2 * s];
        pairs += tokens * tokens;
    }
    return pairs * task.heads * task.width / 32;
}

template <bool HALF> void forward(const Task &task) {
    clear_gaps<HALF>(task, {task.out});
    long longest = 1;
    for (const int32_t *span = task.spans; span < task.spans + 2 * task.sequences; span += 2)
        longest = std::max<long>(longest, span[1] - span[0]);
    // Queries do not depend on each other: cut them so that no thread is idle.
    const long units = task.sequences * task.heads, enough = 8 * task.threads;
    const long wanted = units == 0 || units >= enough ? 1 : enough / units + 1;
    const long length = round_up((longest + wanted - 1) / wanted, QUERIES), cuts = (longest + length - 1) / length;
    share_out(units * cuts, task.threads, steps(task), [&](long n) {
        const long cut = n % cuts, head = n / cuts % task.heads, s = n / cuts / task.heads;
        const long start = task.spans[2 * s], tokens = task.spans[2 * s + 1] - start, begin = cut * length;
        if (begin < tokens) forward_piece<HALF>(task, start, tokens, head, begin, std::min(begin + length, tokens));
    });
}

template <bool HALF> void backward(const Task &task) {
    clear_gaps<HALF>(task, {task.query_gradient, task.key_gradient, task.value_gradient});
    const long row = task.heads * task.width;
    share_out(task.sequences * task.heads * MOST_CUTS, task.threads, 3 * steps(task), [&](long n) {
        const long cut = n % MOST_CUTS, head = n / MOST_CUTS % task.heads, s = n / MOST_CUTS / task.heads;
        const long start = task.spans[2 * s], tokens = task.spans[2 * s + 1] - start, length = cut_length(tokens);
        const long begin = cut * length, end = std::min(begin + length, tokens);
        float *partial = task.partial + cut * task.rows * row;
        if (begin < end) backward_piece<HALF>(task, start, tokens, head, begin, end, partial);
    });
    share_out(task.sequences * task.heads, task.threads, task.rows * row, [&](long n) {
        const long head = n % task.heads, s = n / task.heads, start = task.spans[2 * s];
        const long tokens = task.spans[2 * s + 1] - start, length = cut_length(tokens);
        gather_queries<HALF>(task, start, tokens, head, (tokens + length - 1) / length);
    });
}

}  // namespace

extern "C" void attention_forward(const Task *task) { task->half ? forward<true>(*task) : forward<false>(*task); }
extern "C" void attention_backward(const Task *task) { task->half ? backward<true>(*task) : backward<false>(*task); }
