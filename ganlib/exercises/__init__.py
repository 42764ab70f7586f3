"""The checks of the exercises of notebooks 01 … 07, one file a notebook; checking.py says how they work."""

from ganlib.exercises.nb01_data import kiem_tra_byte, kiem_tra_so_batch, kiem_tra_ve_byte
from ganlib.exercises.nb02_networks import kiem_tra_G_sigmoid, kiem_tra_nhieu_deu, kiem_tra_so_tham_so
from ganlib.exercises.nb03_algorithm import kiem_tra_k, kiem_tra_update_D, kiem_tra_update_G
from ganlib.exercises.nb04_training import kiem_tra_lam_muot, kiem_tra_so_buoc_G
from ganlib.exercises.nb05_results import kiem_tra_doi_y, kiem_tra_epoch_tot
from ganlib.exercises.nb06_theory import kiem_tra_JSD, kiem_tra_luc_keo, kiem_tra_p_g
from ganlib.exercises.nb07_evaluation import kiem_tra_doi_thang, kiem_tra_KL, kiem_tra_parzen
