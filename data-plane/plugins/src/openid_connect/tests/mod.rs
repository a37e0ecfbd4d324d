mod bearer;
mod bed;
mod dpop;
mod login;
