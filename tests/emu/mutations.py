"""mutations.py - the bugs that tests/emu/mutate seeds, each with the suite that must notice it.

The first of a suite is also seeded by tests/test_emulator.sh."""
from collections import namedtuple

# name of a suite: its build for the emulator (empty: none), its script, what it must say
SUITES = {
    'plain': ('plain', 'test_emulator.sh', 'not ok .* plain: .*'),
    'checker': ('checker', 'test_emulator.sh', '(race with|never written in) \\w+ [0-9]+'),
    'asan': ('asan', 'test_emulator.sh', 'AddressSanitizer: .*-overflow|runtime error: .*'),
    'requests': ('checker', 'test_emulator.sh', '(global|shared) .* costs [0-9.]+'),
    'ptx': ('', 'test_ptx.sh', 'not ok .* sm_90: .*'),
}

Mutation = namedtuple('Mutation', 'name suite file old new')
MUTATIONS = [Mutation(*m) for m in [

    # ---- the loops and reductions of all kernels: grid.h
    ('a row loop takes one row', 'plain', 'grid.h',
     'for (long r = blockIdx.x; r < (rows); r += gridDim.x)',
     'for (long r = blockIdx.x; r < (rows); r = (rows))'),
    ('a reduction without the barrier before its next use', 'checker', 'grid.h',
     '__syncthreads(); /* part[] may be written again */          ', ''),
    ('a grid loop forgets the number of blocks', 'plain', 'grid.h',
     'step_ = (long)gridDim.x * blockDim.x', 'step_ = (long)blockDim.x'),
    ('a reduction without the barrier after its warps', 'plain', 'grid.h',
     'if (lane == 0) part[warp] = v;                                    \\\n        __syncthreads();  ',
     'if (lane == 0) part[warp] = v;                                    \\\n        ;  '),
    ('a reduction that leaves out half a warp', 'plain', 'grid.h',
     'for (int m = 16; m; m >>= 1)', 'for (int m = 8; m; m >>= 1)'),
    ('a reduction that reads one warp too many', 'checker', 'grid.h',
     'lane < (int)blockDim.x >> 5', 'lane <= (int)blockDim.x >> 5'),
    ('every thread leads', 'checker', 'grid.h', '(threadIdx.x == 0)', '(threadIdx.x + 1)'),
    ('a block of 100 threads', 'plain', 'grid.h', '(cols) <= 512 ? 128', '(cols) <= 512 ? 100'),

    # ---- barriers
    ('dropout: no barrier after the words', 'checker', 'dropout.cu',
     '        __syncthreads();\n        const int lo', '        const int lo'),
    ('dropout: no barrier before the next words', 'checker', 'dropout.cu',
     '__syncthreads(); /* word may be written again */', ''),
    ('dropout: a barrier for some threads', 'plain', 'dropout.cu',
     '__syncthreads(); /* word may be written again */', 'if (threadIdx.x < (unsigned)lanes) __syncthreads();'),
    ('sgd: no barrier between the noise and its use', 'checker', 'optimizer.cu',
     '            __syncthreads();                                         \\\n', ''),
    ('sgd: no barrier before the next tile', 'checker', 'optimizer.cu',
     '__syncthreads(); /* v may be written again */', ''),
    ('project: no barrier before the next tile', 'checker', 'random.cu',
     '__syncthreads(); /* v may be written again */', ''),
    ('project: no barrier between noise and its trimming', 'checker', 'random.cu',
     '                __syncthreads();\n                BLOCK_LOOP', '                BLOCK_LOOP'),
    ('xent_bwd: no barrier before the target is corrected', 'checker', 'loss.cu',
     '        __syncthreads();\n        if (IS_LEAD && t >= 0)', '        if (IS_LEAD && t >= 0)'),
    ('embedding_sqnorm: a reduction by the leading thread only', 'plain', 'embedding.cu',
     '        q = block_sum(q);\n        if (IS_LEAD) part[r] = q;', '        if (IS_LEAD) part[r] = block_sum(q);'),

    # ---- one writer for each address
    ('layernorm_fwd: no leading thread', 'checker', 'layernorm.cu', '        if (IS_LEAD) {', '        {'),
    ('weighted_sum: all blocks add to the first tile', 'checker', 'rows.cu',
     'const long c0 = k * LANES;', 'const long c0 = 0 * k;'),
    ('embedding_grad: the place of a row in 32 bits', 'plain', 'embedding.cu',
     'to + (long)row_id * D', 'to + row_id * D'),
    ('embedding_grad: a block adds the rows of others too', 'checker', 'embedding.cu',
     '!= own) continue;', '< own) continue;'),
    ('embedding_grad: tiles overlap', 'checker', 'embedding.cu',
     'width = tile_size(D, c0, LANES);\n        float *to', 'width = D < LANES ? D : LANES;\n        float *to'),
    ('sum_rows: every thread adds', 'checker', 'rows.cu', 'if (IS_LEAD) sum[r] += s;', 'sum[r] += s;'),

    # ---- bounds
    ('layernorm_fwd: one column too many', 'asan', 'layernorm.cu',
     'const float rs = 1.0f / sqrtf(block_sum(v) / D + LAYERNORM_EPS);\n        BLOCK_LOOP(j, D)',
     'const float rs = 1.0f / sqrtf(block_sum(v) / D + LAYERNORM_EPS);\n        BLOCK_LOOP(j, D + 1)'),
    ('scale_rows: the last chunk is not cut', 'asan', 'elementwise.cu',
     'const int width = tile_size(cols, c0, ROW_CHUNK)', 'const int width = ROW_CHUNK'),
    ('leave_out: the last chunk is not cut', 'asan', 'elementwise.cu',
     '0.0f ? tile_size(cols, c0, ROW_CHUNK)', '0.0f ? ROW_CHUNK'),
    ('dot_chunks: the last chunk is not cut', 'asan', 'rows.cu',
     'tile_size(P, c0, SQNORM_CHUNK)', 'SQNORM_CHUNK'),
    ('dropout: shared memory too small', 'asan', 'dropout.cu', 'word[TILE_ELEMENTS]', 'word[TILE_ELEMENTS - 4]'),
    ('gather_columns: one element too many', 'asan', 'loss.cu', 'BLOCK_LOOP(u, T)', 'BLOCK_LOOP(u, T + 1)'),

    # ---- a thread's share taken for the whole, columns without a thread
    ('layernorm_fwd: the share of one thread for the mean', 'plain', 'layernorm.cu',
     'const float mu = block_sum(s) / D;', 'const float mu = s / D;'),
    ('softmax_bwd: the share of one thread for delta', 'plain', 'attention.cu', 'delta = block_sum(delta);', ''),
    ('project: the share of one thread', 'plain', 'random.cu', 's##k = block_sum(s##k);', ';'),
    ('bias_grad_sample: fewer threads than columns', 'plain', 'rows.cu',
     'ROW_GRID((long)n * TILES(O, LANES)), LANES', 'ROW_GRID((long)n * TILES(O, LANES)), 128'),

    # ---- arithmetic
    ('xent_bwd: the target is read after it was overwritten', 'plain', 'loss.cu',
     'm + k_log(z) - x_target', 'm + k_log(z) - x[t]'),
    ('softmax_fwd: the rest of the row is left', 'plain', 'attention.cu',
     'BLOCK_LOOP(j, keys - n) sr[n + j] = 0.0f;', ';'),
    ('relu_bwd: zero passes', 'plain', 'elementwise.cu', 'y[i] > 0.0f', 'y[i] >= 0.0f'),
    ('weighted_sum: a weight of zero is multiplied', 'plain', 'rows.cu',
     'if (w == 0.0f) continue; /* a sample left out, whatever it holds */', ''),
    ('embedding_link: a position follows itself', 'plain', 'embedding.cu', 'u > t ? equal', 'u >= t ? equal'),
    ('clip: a norm that is not finite clips nothing', 'plain', 'clip.cu',
     '!is_finite(norm) ? 0.0f', '!is_finite(norm) ? 1.0f'),
    ('noise: the counter forgets where it starts', 'plain', 'random.cu', 'first / 4 + c * LANES', 'c * LANES'),
    ('sgd: the noise forgets where it starts', 'plain', 'optimizer.cu', '(first) / 4', '0 / 4'),
    ('weighted_join: the first weight is that of the first row', 'plain', 'rows.cu',
     'joins ? weight[-1]', 'joins ? weight[0]'),
    ('adamw: beta2 for 1 - beta2', 'plain', 'optimizer.cu', '(1.0f - beta2) * gj * gj', 'beta2 * gj * gj'),

    # ---- speed
    ('copy: neighbours far apart', 'requests', 'elementwise.cu', 'y[i] = x[i];', 'y[i * 4099 % n] = x[i * 4099 % n];'),
    ('dropout: a warp reads from one bank', 'requests', 'dropout.cu', 'BLOCK_LOOP(j, hi - lo) {',
     'BLOCK_LOOP(i, hi - lo) { const int j = hi - lo == TILE_ELEMENTS ? i % 32 * 32 + i / 32 : i;'),

    # ---- what nvcc makes of it
    ('exp by the library', 'ptx', 'loss.cu', 'const float e = k_exp(x[j] - m);', 'const float e = expf(x[j] - m);'),
    ('sum_rows: an atomic addition', 'ptx', 'rows.cu', 'if (IS_LEAD) sum[r] += s;', 'atomicAdd(sum + r, s);'),
    ('gelu: double precision', 'ptx', 'elementwise.cu', '1.0f / (1.0f + k_exp', '1.0f / (1.0 + k_exp'),
    ('normal_at: an array that is indexed', 'ptx', 'random.cu',
     'return element & 1 ? z[1] : z[0];', 'return z[element & 1];'),
]]
