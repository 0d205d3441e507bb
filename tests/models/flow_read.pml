/* How a thread reads a flow table that another one writes (flowtable/flow_bucket.h).
 *
 * One place of one bucket, one entry with a key of two words. The owner lets flow A arrive, lets it
 * depart, gives the entry to flow B, and again. A and B share a tag with two flows that never
 * exist: A's first word with B's second, and the other way round. The reader asks for all four.
 * It must never say "present" of one of the mixtures, and its "present" of A or B must be true at
 * a moment of its call.
 *
 * Memory is sequentially consistent here; the orders that this needs of real processors are the
 * release and acquire of flow_bucket.h.
 *
 * Broken twins, each of which must fail:
 *   -DNO_RECHECK   the reader does not look at the count of departures again
 *   -DCOUNT_FIRST  the owner counts the departure before it clears the tag
 *   -DTAG_FIRST    the owner shows the tag before the key is written
 */

#define FREE 0
#define TAG 1
#define A 1
#define B 2

byte tag = FREE;
byte departures = 0;
byte word[2];        /* of the entry's key */
byte live = 0;       /* ghost: the flow that is in the table, or 0 */
byte was_live[3];    /* ghost: set for the flow that is, or was since the reader began */

inline arrive(flow) {
#ifdef TAG_FIRST
  tag = TAG;
  word[0] = flow;
  word[1] = flow;
  atomic { live = flow; was_live[flow] = 1 }
#else
  word[0] = flow;
  word[1] = flow;
  atomic { tag = TAG; live = flow; was_live[flow] = 1 }
#endif
}

inline depart() {
#ifdef COUNT_FIRST
  departures++;
  atomic { tag = FREE; live = 0 }
#else
  atomic { tag = FREE; live = 0 }
  departures++
#endif
}

active proctype owner() {
  byte rounds = 0;
  do
  :: rounds < 3 ->
    if
    :: arrive(A)
    :: arrive(B)
    fi;
    depart();
    rounds++
  :: rounds == 3 -> break
  od
}

active proctype reader() {
  byte first, second, before, tries = 0;
  bool named;

  /* Which flow is asked for: any word with any other. */
  if :: first = A :: first = B fi;
  if :: second = A :: second = B fi;

  atomic {
    was_live[A] = (live == A);
    was_live[B] = (live == B)
  }
again:
  named = false;
  before = departures;
  if
  :: tag == TAG ->
    if
    :: word[0] == first ->
      if
      :: word[1] == second -> named = true
      :: else
      fi
    :: else
    fi
  :: else
  fi;
#ifndef NO_RECHECK
  if
  :: departures != before ->
    tries++;
    if
    :: tries < 4 -> goto again
    :: else -> goto unsure
    fi
  :: else
  fi;
#endif
  if
  :: named ->
    assert(first == second);
    assert(was_live[first] == 1)
  :: else
  fi;
unsure:
  skip
}
