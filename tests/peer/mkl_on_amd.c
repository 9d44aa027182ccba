/* mkl_on_amd.c - makes MKL, which PyTorch's wheels hold, use AVX-512 on an AMD processor that has it.
 *
 * By itself MKL asks whether the processor is Intel's, and multiplies at half the speed if it is not.  Loaded with
 * LD_PRELOAD this answers for it.  It changes no result beyond rounding; peer_check.py runs with it too. */
int mkl_serv_intel_cpu_true(void);

int mkl_serv_intel_cpu_true(void)
{
    return 1;
}
