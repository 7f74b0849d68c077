;; Sums of a row's numbers by the entries of some columns of a sparse matrix of signs. An entry is 16 bits: twice the number of its sum, and
;; 1 where the number is subtracted. Sums are float64; at 0 lie the two factors, 1 and -1. Pointers are in bytes.
(module
  (memory (export "memory") 1)

  ;; Writes each number as often as its column has entries, at `target`; up to four more follow the last.
  (func (export "spread") (param $counts i32) (param $end i32) (param $values i32) (param $target i32)
    (local $count i32) (local $next i32) (local $value v128)
    (loop $column
      (local.set $value (v128.load32_splat (local.get $values)))
      (v128.store (local.get $target) (local.get $value))
      (local.set $count (i32.load8_u (local.get $counts)))
      (local.set $next (i32.add (local.get $target) (i32.shl (local.get $count) (i32.const 2))))
      (if (i32.gt_u (local.get $count) (i32.const 4)) (then
        (loop $more
          (local.set $target (i32.add (local.get $target) (i32.const 16)))
          (v128.store (local.get $target) (local.get $value))
          (br_if $more (i32.lt_u (i32.add (local.get $target) (i32.const 16)) (local.get $next))))))
      (local.set $target (local.get $next))
      (local.set $values (i32.add (local.get $values) (i32.const 4)))
      (br_if $column (i32.lt_u (local.tee $counts (i32.add (local.get $counts) (i32.const 1))) (local.get $end)))))

  ;; Adds to the sums, in the order of the entries, one number of `spread` for each.
  (func (export "add") (param $entries i32) (param $end i32) (param $spread i32) (param $sums i32)
    (local $entry i32) (local $sum i32)
    (loop $next
      (local.set $entry (i32.load16_u (local.get $entries)))
      (local.set $sum (i32.add (local.get $sums) (i32.shl (i32.and (local.get $entry) (i32.const 0xfffe)) (i32.const 2))))
      (f64.store (local.get $sum) (f64.add (f64.load (local.get $sum))
        (f64.mul (f64.promote_f32 (f32.load (local.get $spread)))
          (f64.load (i32.shl (i32.and (local.get $entry) (i32.const 1)) (i32.const 3))))))
      (local.set $spread (i32.add (local.get $spread) (i32.const 4)))
      (br_if $next (i32.lt_u (local.tee $entries (i32.add (local.get $entries) (i32.const 2))) (local.get $end)))))

  ;; The same column by column, for columns of many entries. A zero changes no sum and is passed over.
  (func (export "columns") (param $counts i32) (param $end i32) (param $values i32) (param $entries i32) (param $sums i32)
    (local $entry i32) (local $sum i32) (local $last i32) (local $value f64)
    (loop $column
      (local.set $last (i32.add (local.get $entries) (i32.shl (i32.load8_u (local.get $counts)) (i32.const 1))))
      (local.set $value (f64.promote_f32 (f32.load (local.get $values))))
      (if (f64.ne (local.get $value) (f64.const 0)) (then
        (block $done
          (br_if $done (i32.ge_u (local.get $entries) (local.get $last)))
          (loop $next
            (local.set $entry (i32.load16_u (local.get $entries)))
            (local.set $sum (i32.add (local.get $sums) (i32.shl (i32.and (local.get $entry) (i32.const 0xfffe)) (i32.const 2))))
            (f64.store (local.get $sum) (f64.add (f64.load (local.get $sum))
              (f64.mul (local.get $value) (f64.load (i32.shl (i32.and (local.get $entry) (i32.const 1)) (i32.const 3))))))
            (br_if $next (i32.lt_u (local.tee $entries (i32.add (local.get $entries) (i32.const 2))) (local.get $last)))))))
      (local.set $entries (local.get $last))
      (local.set $values (i32.add (local.get $values) (i32.const 4)))
      (br_if $column (i32.lt_u (local.tee $counts (i32.add (local.get $counts) (i32.const 1))) (local.get $end))))))
