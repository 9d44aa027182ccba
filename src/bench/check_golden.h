/* check_golden.h - `dpsweep check --golden FILE.h5`: every trainer against a float64 reference.
 *
 * The file (tests/golden/make_golden.py) holds a model, a batch, losses, gradient norms and clipped sums.  Errors:
 *     loss_rel_err = max_b |loss_b - ref_b| / |ref_b|
 *     norm_rel_err = max_bp |n_bp - ref_bp| / max(ref_bp, 1e-3 ref_b), also of totals (standard: by the layers)
 *     grad_rel_err = max_p |S_p - ref_p| / max(|ref_p|, 1e-3 |ref|)      (standard: after dividing by B) */
#ifndef CHECK_GOLDEN_H
#define CHECK_GOLDEN_H
int check_main(int argc, char **argv);   /* exit code: 0 all VALID, 1 not, 2 the file cannot be used */
#endif
