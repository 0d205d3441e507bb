/* A flow that lives during the whole call is found, in its first bucket or, by the overflow bit, in
 * its second one, while another flow of the same first bucket comes and goes beside it.
 *
 * A broken twin, which must fail:
 *   -DCLEAR_EARLY  the bits are cleared when any overflowing flow goes, not when the last one does
 */

bool marked = false;      /* of the first bucket: a flow lies in its second one */
byte overflowing = 0;
bool mine = false;        /* in the second bucket: the flow that stays */
bool other = false;       /* in the second bucket: the flow that comes and goes */
bool settled = false;     /* ghost: the flow that stays has been inserted */

active proctype owner() {
  byte rounds = 0;
  mine = true;
  marked = true;
  overflowing++;
  settled = true;
  do
  :: rounds < 3 ->
    other = true;
    marked = true;
    overflowing++;
    other = false;
    overflowing--;
#ifdef CLEAR_EARLY
    marked = false;
#else
    if
    :: overflowing == 0 -> marked = false
    :: else
    fi;
#endif
    rounds++
  :: rounds == 3 -> break
  od
}

active proctype reader() {
  bool found = false;
  settled;
  if
  :: marked -> found = mine
  :: else
  fi;
  assert(found)
}
